use super::*;

#[test]
fn a_url_of_several_servers_is_read_in_all_its_parts() {
    let read = several("user:p%40ss@h1:7000,h2:7001/mymaster/3", true).unwrap();
    assert_eq!((read.user.as_deref(), read.password.as_deref()), (Some("user"), Some("p@ss")));
    assert_eq!(read.servers, [("h1".to_owned(), 7000), ("h2".to_owned(), 7001)]);
    assert_eq!(read.path, ["mymaster", "3"]);
    assert_eq!(several("h1,h2:7001", false), None);
}

#[test]
fn a_url_that_is_none_is_told_with_what_it_must_be() {
    for url in ["http://h", "redis+cluster://h1", "redis+sentinel://h1:26379", "", "redis://h:port"]
    {
        let told = RedisEndpoint::of(url, None).err().unwrap_or_default();
        assert!(told.contains("redis+cluster://"), "{url}: {told}");
    }
    assert!(RedisEndpoint::of("redis://:secret@h:6379/2", None).is_ok());
    assert!(RedisEndpoint::of("redis+cluster://h1:7000,h2:7000", None).is_ok());
    assert!(RedisEndpoint::of("redis+sentinel://:pw@h1:26379,h2:26379/mymaster", None).is_ok());
}
