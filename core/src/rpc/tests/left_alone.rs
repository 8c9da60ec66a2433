//! Endpoints that are left alone for a while, and who asks them all the same.

use super::*;

impl World {
    /// Asks so often that the first endpoint's breaker opens.
    fn until_left_alone(&mut self, ask: fn(&mut Self) -> Verdict) {
        for _ in 0..10 {
            ask(self);
            if !self.pool.allows(0, self.now) {
                return;
            }
        }
        panic!("it is never left alone");
    }
}

#[test]
fn an_endpoint_that_hangs_costs_its_time_limit_until_it_is_left_alone() {
    let mut world = World::new(&[&[], &[owned(1)], &[owned(1)]]).hangs(0);
    for _ in 0..3 {
        assert_eq!(world.login(), agreed_on(1));
        assert_eq!(world.asked, [0, 1, 2]);
    }
    world.pass(1000);
    assert_eq!(world.login(), agreed_on(1));
    assert_eq!(world.asked, [1, 2], "left alone");
    world.pass(10_000);
    world.answers(0, owned(1));
    world.login();
    assert_eq!(
        world.asked,
        [0, 1],
        "its time is over, and it answers again"
    );
    world.login();
    assert_eq!(world.asked, [0, 1]);
}

#[test]
fn who_limits_our_rate_is_left_alone_where_others_are_enough() {
    let limited = Err(Fault::RateLimited(Some(Seconds::new(20))));
    let mut world = World::new(&[&[limited], &[owned(1)], &[owned(1)]]);
    world.login();
    world.pass(19_000);
    world.login();
    assert_eq!(world.asked, [1, 2]);
    world.pass(1000);
    world.login();
    assert_eq!(world.asked, [0, 1, 2]);
    world.watch();
    assert_eq!(world.asked, [1, 2]);
}

#[test]
fn an_open_breaker_never_refuses_by_itself() {
    let limited = || Err(Fault::RateLimited(Some(Seconds::new(60))));
    let mut world = World::new(&[&[limited()], &[limited()]]);
    let begun = world.now;
    assert_eq!(world.login(), Verdict::Silent);
    assert!(
        world.now.since(begun) < Duration::from_secs(1),
        "it is told at once"
    );
    for endpoint in [0, 1] {
        world.answers(endpoint, owned(1));
    }
    assert_eq!(world.login(), agreed_on(1));

    let mut world = World::new(&[&[limited()], &[limited()]]);
    world.watch();
    world.pass(1000);
    world.watch();
    assert_eq!(world.asked.len(), 2, "one after the other");
    world.answers(0, owned(1));
    world.answers(1, owned(1));
    assert_eq!(world.watch(), counts(1, 1000, false));
}

#[test]
fn of_those_to_be_left_alone_the_one_that_failed_longest_ago_is_asked_first() {
    let limited = || Err(Fault::RateLimited(Some(Seconds::new(60))));
    let mut world = World::new(&[&[limited()], &[limited()], &[limited()]]);
    world.scripts[0] = vec![(500, limited())];
    world.login();
    world.watch();
    assert_eq!(world.asked, [1, 2, 0]);
}

#[test]
fn a_login_is_tried_again_though_others_found_the_endpoints_failing() {
    let mut world = World::new(&[&[FAILED], &[FAILED]]);
    world.until_left_alone(World::login);
    for endpoint in [0, 1] {
        world.scripts[endpoint] = vec![(10, FAILED), (10, owned(1))];
    }
    assert_eq!(world.login(), agreed_on(1));
    world.answers(0, FAILED);
    world.answers(1, FAILED);
    world.until_left_alone(World::watch);
    assert_eq!(world.watch(), Verdict::Silent);
    assert_eq!(
        world.asked.len(),
        2,
        "a running session's request is not held up"
    );
}

#[test]
fn a_vote_that_is_missing_comes_from_one_that_was_to_be_left_alone() {
    let limited = || Err(Fault::RateLimited(Some(Seconds::new(60))));
    let mut world = World::new(&[&[owned(1)], &[limited()], &[limited()]]);
    assert_eq!(world.login(), Verdict::Silent);
    world.answers(1, owned(1));
    world.answers(2, owned(1));
    assert_eq!(world.login(), agreed_on(1));
    assert_eq!(world.asked, [0, 1], "both at once");
}
