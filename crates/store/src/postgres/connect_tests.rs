use super::*;

#[test]
fn a_url_is_shown_without_its_password() {
    for (url, told) in [
        ("postgres://u:secret@h:5432/d", "postgres://u@h:5432/d"),
        ("postgresql://u:p@ss@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
        ("postgres://h/d?password=secret&user=u", "postgres://h/d?user=u"),
        ("postgres://h/d", "postgres://h/d"),
        ("postgres://u:s@h", "postgres://u@h"),
        ("postgres://u:s/e?c@h/d", "postgres://(hidden)"),
        ("postgres://u:s/ecret@h/d", "postgres://u@h/d"),
        ("postgres://u@h/d?pasword=secret&sslmode=disable", "postgres://u@h/d?sslmode=disable"),
        ("mysql://u:secret@h/d", "mysql://u@h/d"),
        ("postgres:/u:secret@h", "postgres:/u@h"),
        ("u:secret@h", "u@h"),
    ] {
        assert_eq!(shown(url), told);
    }
}

#[test]
fn how_many_connections_there_may_be_stands_in_the_url() {
    assert_eq!(
        server("postgres://u@h/d?juden_connections=2&sslmode=disable").unwrap().connections,
        2
    );
    assert_eq!(server("postgres://u@h/d").unwrap().connections, CONNECTIONS_USUAL);
    assert!(server("postgres://u@h/d?juden_connections=none").is_err());
    let told = server("postgres://u@h/d?pasword=secret").err().unwrap().to_string();
    assert!(
        told.contains("there is no parameter \"pasword\"") && !told.contains("secret"),
        "{told}"
    );
}
