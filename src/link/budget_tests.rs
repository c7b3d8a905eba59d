use super::*;

#[test]
fn a_connection_reads_on_while_it_and_the_node_hold_less_than_they_may() {
    let now = Instant::now();
    let idle = ControlFrames::new(now);
    let load = |calls, bytes, is_handling| Load { calls, bytes, is_handling };
    for (load, node, expected) in [
        (load(0, 0, false), 0, MayRead::Now),
        (
            load(CALLS_WAITING_MAX - 1, CALL_BYTES_WAITING_MAX - 1, true),
            NODE_BYTES_BUSY - 1,
            MayRead::Now,
        ),
        (load(CALLS_WAITING_MAX, 0, true), 0, MayRead::AfterAnswer),
        (load(1, CALL_BYTES_WAITING_MAX, true), 0, MayRead::AfterAnswer),
        (load(0, 0, true), NODE_BYTES_BUSY, MayRead::From(now + LOOK_AGAIN)),
        (load(0, 0, false), NODE_BYTES_MAX - 1, MayRead::Now),
        (load(0, 0, false), NODE_BYTES_MAX, MayRead::From(now + LOOK_AGAIN)),
    ] {
        assert_eq!(may_read(load, node, &idle, now), expected, "{load:?} {node}");
    }
}

#[test]
fn control_frames_beyond_the_limit_wait_for_the_next_second() {
    let now = Instant::now();
    let mut controls = ControlFrames::new(now);
    let load = Load { calls: 0, bytes: 0, is_handling: false };
    for _ in 1..CONTROL_FRAMES_PER_S {
        controls.count(now);
        assert_eq!(may_read(load, 0, &controls, now), MayRead::Now);
    }
    controls.count(now);
    let next = now + Duration::from_secs(1);
    assert_eq!(may_read(load, 0, &controls, now), MayRead::From(next));
    assert_eq!(may_read(load, 0, &controls, next), MayRead::Now);
    controls.count(next);
    assert_eq!(may_read(load, 0, &controls, next), MayRead::Now, "a new second");
}

#[test]
fn bytes_are_held_until_the_answer_has_left() {
    let node = Arc::new(NodeBytes::default());
    let (one, other) = (node.hold(7), node.hold(5));
    assert_eq!(node.held(), 12);
    drop(one);
    drop(other);
    assert_eq!(node.held(), 0);
}
