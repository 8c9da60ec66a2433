//! Readings played out: endpoints with scripts of their own, a clock that moves, and what is asked of whom.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cloned_ref_to_slice_refs
)]

mod left_alone;

use super::*;
use crate::ids::Wallet;
use crate::ownership::{Owned, OwnershipError, Reading};

type Heard = Result<Reading, Fault>;

const FAILED: Heard = Err(Fault::Unreachable);

fn wallet(byte: u8) -> Wallet {
    Wallet::from_bytes([byte; 32])
}

fn owned_at(byte: u8, slot: u64) -> Heard {
    Ok(Reading::Owned(Owned {
        owner: wallet(byte),
        name: "name".to_owned(),
        slot,
    }))
}

fn owned(byte: u8) -> Heard {
    owned_at(byte, 1000)
}

fn nobody(reason: OwnershipError) -> Heard {
    Ok(Reading::Nobody(reason, 1000))
}

/// Endpoints, each with its answers in order, the last of which it repeats, and the milliseconds that one takes.
struct World {
    pool: Pool,
    now: Timestamp,
    scripts: Vec<Vec<(u64, Heard)>>,
    /// Who was asked, in order.
    asked: Vec<usize>,
}

impl World {
    fn new(scripts: &[&[Heard]]) -> Self {
        let timed = |script: &&[Heard]| script.iter().map(|heard| (10, heard.clone())).collect();
        Self {
            pool: Pool::new(),
            now: Timestamp::from_secs(10_000),
            scripts: scripts.iter().map(timed).collect(),
            asked: Vec::new(),
        }
    }

    fn hangs(mut self, endpoint: usize) -> Self {
        self.scripts[endpoint] = vec![(u64::MAX, FAILED)];
        self
    }

    fn answers(&mut self, endpoint: usize, heard: Heard) {
        self.scripts[endpoint] = vec![(10, heard)];
    }

    fn pass(&mut self, millis: u64) {
        self.now = Timestamp::from_millis(self.now.as_millis() + millis as i64);
    }

    fn login(&mut self) -> Verdict {
        self.play(Poll::login(self.scripts.len(), self.now))
    }

    /// Whether wallet 1, known as of slot 900, is still the owner.
    fn watch(&mut self) -> Verdict {
        self.play(Poll::watch(self.scripts.len(), self.known(), self.now))
    }

    fn known(&self) -> Floor {
        Floor {
            slot: 900,
            since: self.now,
            owner: Some(wallet(1)),
        }
    }

    fn play(&mut self, mut poll: Poll) -> Verdict {
        self.asked.clear();
        let begun = self.now;
        let mut under_way: Vec<(u64, usize, Heard)> = Vec::new();
        for _ in 0..1000 {
            match poll.next(&mut self.pool, self.now, 255) {
                Step::Ask(endpoints) => {
                    let limit = poll.call_limit(self.now).as_millis() as u64;
                    for endpoint in endpoints {
                        let script = &mut self.scripts[endpoint];
                        let (takes, heard) = match script.len() {
                            1 => script[0].clone(),
                            _ => script.remove(0),
                        };
                        let heard = if takes > limit {
                            Err(Fault::TimedOut)
                        } else {
                            heard
                        };
                        let at = self.now.as_millis() as u64 + takes.min(limit);
                        under_way.push((at, endpoint, heard));
                        self.asked.push(endpoint);
                    }
                }
                Step::Listen => {
                    under_way.sort_by_key(|(at, endpoint, _)| (*at, *endpoint));
                    let (at, endpoint, heard) = under_way.remove(0);
                    self.now = Timestamp::from_millis(at as i64);
                    let _ = poll.hear(&mut self.pool, endpoint, heard, self.now);
                }
                Step::Pause(pause) => self.pass(pause.as_millis() as u64),
                Step::Done(verdict) => {
                    let took = self.now.since(begun);
                    assert!(took <= Limits::LOGIN.total, "{took:?}");
                    return verdict;
                }
            }
        }
        panic!("it does not end");
    }
}

fn counts(byte: u8, slot: u64, agreed: bool) -> Verdict {
    Verdict::Counts {
        reading: owned_at(byte, slot).unwrap(),
        agreed,
    }
}

fn agreed_on(byte: u8) -> Verdict {
    counts(byte, 1000, true)
}

#[test]
fn c04_a_login_needs_two_endpoints_that_say_the_same() {
    let mut world = World::new(&[&[owned(1)], &[owned(1)], &[owned(1)]]);
    assert_eq!(world.login(), agreed_on(1));
    assert_eq!(world.asked, [0, 1], "a third is not bothered");
    assert_eq!(
        World::new(&[&[owned(1)]]).login(),
        agreed_on(1),
        "one is all there is"
    );
    for failing in [&[FAILED, owned(1)] as &[_], &[owned(1), FAILED]] {
        let scripts: Vec<&[Heard]> = failing.iter().map(core::slice::from_ref).collect();
        assert_eq!(World::new(&scripts).login(), Verdict::Silent);
    }
    let mut world = World::new(&[&[FAILED], &[owned(1)], &[owned(1)]]);
    assert_eq!(world.login(), agreed_on(1));
    assert_eq!(world.asked, [0, 1, 2]);
}

#[test]
fn c04_a_login_is_refused_when_endpoints_contradict_one_another() {
    assert_eq!(
        World::new(&[&[owned(1)], &[owned(2)]]).login(),
        Verdict::Disputed(vec![0, 1])
    );
    assert_eq!(
        World::new(&[&[owned(1)], &[owned(2)], &[owned(3)]]).login(),
        Verdict::Disputed(vec![0, 1, 2])
    );
    let mut world = World::new(&[&[owned(1)], &[owned(2)], &[owned(2)]]);
    assert_eq!(world.login(), agreed_on(2), "two against one");
    assert_eq!(world.asked, [0, 1, 2]);
}

#[test]
fn c04_that_nobody_owns_it_takes_two_as_well() {
    use OwnershipError::{Burned, Malformed, Missing, NotOurs};
    for reason in [Burned, Malformed, Missing, NotOurs] {
        let says = nobody(reason);
        let verdict = Verdict::Counts {
            reading: says.clone().unwrap(),
            agreed: true,
        };
        let both = [says.clone(), says.clone()];
        assert_eq!(World::new(&[&both[..1], &both[1..]]).login(), verdict);
        let disputed = Verdict::Disputed(vec![0, 1]);
        assert_eq!(World::new(&[&both, &[owned(1)]]).login(), disputed);
        assert_eq!(World::new(&[&both, &[FAILED]]).login(), Verdict::Silent);
    }
    assert_eq!(
        World::new(&[&[nobody(Burned)], &[nobody(Missing)]]).login(),
        Verdict::Disputed(vec![0, 1])
    );
}

#[test]
fn who_has_seen_a_transfer_a_moment_sooner_is_agreed_with_in_the_next_round() {
    let mut world = World::new(&[&[owned(2)], &[owned(1), owned(2)]]);
    assert_eq!(world.login(), agreed_on(2));
    assert_eq!(world.asked, [0, 1, 0, 1]);
    let mut world = World::new(&[&[owned(2)], &[owned(1), owned(2)]]);
    assert_eq!(world.watch(), agreed_on(2));
    let mut world = World::new(&[&[owned(2)], &[owned(1)]]);
    let begun = world.now;
    world.login();
    let took = world.now.since(begun);
    assert!(
        took > Duration::from_secs(1) && took < Duration::from_secs(2),
        "{took:?}"
    );
    assert_eq!(world.asked.len(), 8);
}

#[test]
fn a_failure_is_tried_again_and_what_was_said_meanwhile_holds() {
    let mut world = World::new(&[&[owned(1)], &[FAILED, owned(1)]]);
    assert_eq!(world.login(), agreed_on(1));
    assert_eq!(world.asked, [0, 1, 1]);
}

#[test]
fn one_that_is_to_end_soon_asks_nobody_twice() {
    let mut world = World::new(&[&[owned(2)], &[owned(1), owned(2)]]);
    let poll = Poll::login(2, world.now).once();
    assert_eq!(world.play(poll), Verdict::Disputed(vec![0, 1]));
    assert_eq!(world.asked, [0, 1]);
}

#[test]
fn a_question_that_is_not_taken_is_not_repeated() {
    for code in [-32600, -32601, -32602] {
        let refused = Err(AnswerError::Rpc(code).into());
        let mut world = World::new(&[&[refused], &[owned(1)]]);
        assert_eq!(world.login(), Verdict::Silent);
        assert_eq!(
            world.asked.iter().filter(|it| **it == 0).count(),
            1,
            "{code}"
        );
    }
    let mut world = World::new(&[&[Err(Fault::Rpc(-32603))], &[owned(1)]]);
    world.login();
    assert!(world.asked.iter().filter(|it| **it == 0).count() > 1);
}

#[test]
fn c07_one_word_is_enough_that_the_known_owner_is_still_the_owner() {
    let confirmed = counts(1, 1000, false);
    assert_eq!(World::new(&[&[owned(1)], &[FAILED]]).watch(), confirmed);
    assert_eq!(World::new(&[&[FAILED], &[owned(1)]]).watch(), confirmed);
    assert_eq!(World::new(&[&[owned(1)], &[]]).hangs(1).watch(), confirmed);
    let mut world = World::new(&[&[owned(1)], &[owned(1)], &[owned(1)]]);
    assert_eq!(world.watch(), agreed_on(1));
    assert_eq!(world.asked, [0, 1]);
    let mut world = World::new(&[&[FAILED], &[FAILED], &[owned(1)]]);
    assert_eq!(world.watch(), confirmed);
    assert_eq!(world.asked, [0, 1, 2]);
}

#[test]
fn c07_c08_no_single_endpoint_takes_the_asset_from_its_owner() {
    let gone = nobody(OwnershipError::Burned);
    for lie in [owned(2), gone.clone()] {
        for (first, second) in [(lie.clone(), owned(1)), (owned(1), lie.clone())] {
            let disputed = Verdict::Disputed(vec![0, 1]);
            assert_eq!(
                World::new(&[&[first.clone()], &[second.clone()]]).watch(),
                disputed
            );
            let mut world = World::new(&[&[first], &[second], &[owned(1)]]);
            assert_eq!(world.watch(), agreed_on(1), "outvoted");
        }
        for silent in [FAILED, Err(Fault::Malformed)] {
            let verdict = World::new(&[&[lie.clone()], &[silent]]).watch();
            assert_eq!(
                verdict,
                Verdict::Disputed(vec![0]),
                "and nobody passes on it"
            );
        }
    }
    assert_eq!(
        World::new(&[&[owned(2)], &[owned(2)]]).watch(),
        agreed_on(2)
    );
    let verdict = World::new(&[&[gone.clone()], &[gone.clone()]]).watch();
    let reading = gone.unwrap();
    assert_eq!(
        verdict,
        Verdict::Counts {
            reading,
            agreed: true
        }
    );
    assert_eq!(
        World::new(&[&[owned(2)]]).watch(),
        agreed_on(2),
        "one is all there is"
    );
}

#[test]
fn c07_an_answer_from_below_the_floor_is_none() {
    // Wallet 1 is known as of slot 900.
    let late = owned_at(2, 899);
    assert_eq!(
        World::new(&[&[late.clone()], &[owned(1)]]).watch(),
        counts(1, 1000, false)
    );
    assert_eq!(
        World::new(&[&[late.clone()], &[late]]).watch(),
        Verdict::Silent
    );
    let mut world = World::new(&[&[owned(1)], &[owned(1)]]);
    world.login();
    world.answers(0, owned_at(2, 974));
    world.answers(1, owned_at(2, 974));
    assert_eq!(
        world.login(),
        Verdict::Silent,
        "of whatever asset it was agreed on"
    );
    world.pass(60_000);
    assert_eq!(world.login(), counts(2, 974, true), "a floor does not last");
}

#[test]
fn c07_no_single_endpoint_raises_the_floor() {
    let mut world = World::new(&[&[owned_at(1, 9_000_000)], &[owned(1)]]);
    assert_eq!(world.login(), agreed_on(1), "the lower slot of the two");
    world.answers(0, owned(1));
    assert_eq!(world.login(), agreed_on(1));
    let mut world = World::new(&[&[owned_at(1, 9_000_000)], &[FAILED]]);
    assert_eq!(world.watch(), counts(1, 9_000_000, false));
    world.answers(0, owned(1));
    assert_eq!(world.watch(), counts(1, 1000, false));
}

#[test]
fn nobody_is_asked_for_longer_than_the_deadline() {
    for endpoints in 1..=5 {
        let scripts = vec![&[] as &[Heard]; endpoints];
        let mut world = World::new(&scripts);
        for endpoint in 0..endpoints {
            world = world.hangs(endpoint);
        }
        let begun = world.now;
        assert_eq!(world.watch(), Verdict::Silent);
        assert!(world.now.since(begun) <= Limits::WATCH.total);
        assert_eq!(world.login(), Verdict::Silent);
    }
}

#[test]
fn with_hardly_any_time_left_nobody_is_asked() {
    let begun = Timestamp::from_secs(100);
    let at = |millis| Timestamp::from_millis(begun.as_millis() + millis);
    let first = |millis| Poll::login(2, begun).next(&mut Pool::new(), at(millis), 0);
    assert_eq!(first(7500), Step::Ask(vec![0, 1]));
    assert_eq!(first(7501), Step::Done(Verdict::Silent));
}

#[test]
fn faults_are_told_apart() {
    assert_eq!(Fault::of_status(200, None), None);
    let limited = |seconds: Option<u32>| Some(Fault::RateLimited(seconds.map(Seconds::new)));
    assert_eq!(Fault::of_status(429, None), limited(None));
    assert_eq!(Fault::of_status(429, Some(" 7 ")), limited(Some(7)));
    for odd in [
        "",
        "-1",
        "soon",
        "1.5",
        "99999999999",
        "Wed, 21 Oct 2026 07:28:00 GMT",
    ] {
        assert_eq!(Fault::of_status(429, Some(odd)), limited(None), "{odd}");
    }
    assert_eq!(Fault::of_status(503, Some("3")), limited(Some(3)));
    assert_eq!(Fault::of_status(503, None), Some(Fault::Status(503)));
    assert_eq!(Fault::of_status(302, None), Some(Fault::Status(302)));
    for (code, fault) in [
        (429, Fault::RateLimited(None)),
        (-32005, Fault::NodeBehind),
        (-32016, Fault::NodeBehind),
        (-32602, Fault::Refused(-32602)),
        (-32603, Fault::Rpc(-32603)),
        (-32599, Fault::Rpc(-32599)),
    ] {
        assert_eq!(Fault::from(AnswerError::Rpc(code)), fault);
    }
    assert_eq!(Fault::from(AnswerError::Malformed), Fault::Malformed);
}

#[test]
fn pauses_grow_and_are_spread() {
    let millis = |round, random| backoff(round, random).as_millis();
    assert_eq!(
        [0, 1, 2, 3, 99].map(|round| millis(round, 0)),
        [125, 250, 500, 500, 500]
    );
    assert_eq!(
        [0, 1, 2, 3, 99].map(|round| millis(round, 255)),
        [250, 500, 1000, 1000, 1000]
    );
}

#[test]
fn c07_a_denial_is_not_forgotten_when_its_endpoint_falls_silent() {
    for silence in [FAILED, Err(Fault::RateLimited(None)), Err(Fault::Malformed)] {
        let mut world = World::new(&[&[owned(1)], &[owned(2), silence.clone()]]);
        assert!(matches!(world.watch(), Verdict::Disputed(_)), "{silence:?}");
        // Nor by the next reading, which is told of it.
        let next = |world: &World| Poll::watch(2, world.known(), world.now);
        let poll = next(&world).denied();
        assert!(matches!(world.play(poll), Verdict::Disputed(_)));
        let undisputed = next(&world);
        assert_eq!(world.play(undisputed), counts(1, 1000, false));
        world.answers(1, owned(1));
        world.pass(60_000);
        let settled = next(&world).denied();
        assert_eq!(world.play(settled), agreed_on(1));
    }
}
