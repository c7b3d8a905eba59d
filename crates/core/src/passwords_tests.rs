use super::*;

async fn matches(passwords: &Passwords, kept: &str, password: &[u8]) -> bool {
    passwords.matches(SlowQueue::Stations, kept, password).await.unwrap()
}

#[tokio::test]
async fn long_secrets_and_short_ones_match_themselves_alone() {
    let passwords = Passwords::new("installation secret");
    for password in ["short", "0123456789abcdef", "a much longer password than that"] {
        let kept = passwords.hash(password.as_bytes()).await.unwrap();
        assert!(!kept.contains(password));
        for _ in 0..2 {
            assert!(matches(&passwords, &kept, password.as_bytes()).await);
            assert!(!matches(&passwords, &kept, b"something else").await);
        }
        assert!(!matches(&Passwords::new("other"), &kept, b"").await);
    }
}

#[tokio::test]
async fn a_password_that_is_no_text_is_a_password() {
    let passwords = Passwords::new("s");
    let bytes: Vec<u8> = (240..=255).collect();
    let kept = passwords.hash(&bytes).await.unwrap();
    assert!(matches(&passwords, &kept, &bytes).await);
}

#[tokio::test]
async fn hashes_that_stores_hold_are_known_again() {
    let kept = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$An+5XxAKaNoW/3/Do5hFt/gsWF7uD3MJejnvWpF2So8";
    let passwords = Passwords::new("s");
    assert!(matches(&passwords, kept, b"chosen").await);
    assert!(!matches(&passwords, kept, b"choosen").await);
    assert!(!matches(&passwords, "no hash at all", b"chosen").await);
    assert!(
        !matches(
            &passwords,
            "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAA",
            b"x"
        )
        .await
    );
    let keyed = "hmac-sha256$00ff$91a70fe9cc72bd9262bdfc13649827f9e59ea8ddae5a6fddb947b10deb9e0282";
    assert_eq!(matches_keyed(b"s", keyed, b"0123456789abcdef"), Some(true));
}

#[tokio::test]
async fn who_hangs_up_waits_no_longer_and_of_too_many_some_are_told_to_come_again() {
    let passwords = Passwords::new("s");
    let kept = passwords.hash(b"chosen").await.unwrap();
    let tries: Vec<_> = (0..3 * WAITING_MAX)
        .map(|_| passwords.matches(SlowQueue::Stations, &kept, b"wrong"))
        .collect();
    let mut tries: Vec<_> = tries
        .into_iter()
        .map(|one| Box::pin(tokio::time::timeout(std::time::Duration::ZERO, one)))
        .collect();
    let mut refused = 0;
    for one in &mut tries {
        refused += usize::from(matches!(one.await, Ok(Err(AppError::Busy(_)))));
    }
    assert!(refused >= 2 * WAITING_MAX - 2, "{refused} were told to come again");
    // All of them have hung up: the next is answered after the one that was being computed.
    drop(tries);
    let other = passwords.clone();
    assert!(
        !other.matches(SlowQueue::Operators, &kept, b"wrong").await.unwrap(),
        "operators wait for no station"
    );
}
