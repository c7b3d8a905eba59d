use super::*;

#[test]
fn every_reason_has_a_code_and_article_of_its_own() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.code()).map(Reason::code), Some(reason.code()));
        assert!(!reason.article().is_empty());
        let same = Reason::ALL
            .into_iter()
            .filter(|other| (other.code(), other.article()) == (reason.code(), reason.article()));
        assert_eq!(same.map(|_| 1).sum::<i32>(), 1, "{reason:?}");
    }
}
