//! Some lives, told to the end, and again with a driver that dies at each point of them.

use multiclaw_core::lifecycle::{State, TroubleCode, WakeCause, Wish};

use crate::events::{Event, Interruption};
use crate::world::World;

/// Asked, used, saved, ended, stopped, woken by its schedule, and taken over.
const EVERYTHING: &[Event] = &[
    Event::Ask(Wish::Run),
    Event::UseInside,
    Event::TakeSnapshot,
    Event::Use,
    Event::Pass(310),
    Event::Use,
    Event::GatewayEnds,
    Event::Pass(60),
    Event::Use,
    Event::Ask(Wish::Stop),
    Event::Ask(Wish::Run),
    Event::Due(3000),
    Event::Pass(5000),
    Event::Evict(1),
    Event::Ask(Wish::Run),
];

/// Ends three times within ten minutes, once with its container.
const LOOP: &[Event] = &[
    Event::Ask(Wish::Run),
    Event::Use,
    Event::GatewayEnds,
    Event::Pass(90),
    Event::Use,
    Event::ContainerDies,
    Event::Pass(90),
    Event::Use,
    Event::GatewayEnds,
    Event::Pass(90),
];

/// Loses its container three times.
const LOST: &[Event] = &[
    Event::Ask(Wish::Run),
    Event::Use,
    Event::ContainerDies,
    Event::Pass(90),
    Event::Use,
    Event::ContainerDies,
    Event::Pass(90),
    Event::Use,
    Event::ContainerDies,
    Event::Pass(90),
];

/// Sleeps when nobody uses it, and wakes when something is due.
const SCHEDULE: &[Event] = &[
    Event::Ask(Wish::Run),
    Event::Use,
    Event::Due(3000),
    Event::Pass(2990),
];

fn told(story: &[Event]) -> World {
    let mut world = World::new();
    for event in story {
        world.experience(*event);
    }
    world
}

#[test]
fn c20_a_driver_may_die_at_every_point_of_every_step() {
    for story in [EVERYTHING, LOOP, LOST, SCHEDULE] {
        let points = told(story).points;
        assert!(points > 20, "the story has {points} points");
        for point in 0..points {
            for deaths in 1..3 {
                let mut world = World::new();
                let quiet = vec![Interruption::Nothing; point];
                world.interruptions.extend(quiet);
                world.interruptions.extend(vec![Interruption::Die; deaths]);
                for event in story {
                    world.experience(*event);
                }
                world.calm_down();
                world.reach(Wish::Run);
            }
        }
    }
}

#[test]
fn c20_an_agent_that_ends_again_and_again_is_left_until_its_owner_asks() {
    for story in [LOOP, LOST] {
        let mut world = told(story);
        let code = |world: &World| world.life.trouble.as_ref().map(|trouble| trouble.code);
        assert_eq!(
            (world.life.state, code(&world)),
            (State::Failed, Some(TroubleCode::CrashLoop))
        );
        let alarms = world.promises.alarms;
        world.experience(Event::Pass(24 * 60 * 60));
        assert_eq!(world.promises.alarms, alarms);
        world.reach(Wish::Run);
    }
}

#[test]
fn c18_an_agent_sleeps_when_nobody_uses_it_and_runs_when_something_is_due() {
    let asleep = told(&[&SCHEDULE[..3], &[Event::Pass(2000)]].concat());
    assert_eq!(asleep.life.state, State::Asleep);
    let woken = told(SCHEDULE);
    assert_eq!(
        (woken.life.state, woken.life.cause),
        (State::Running, Some(WakeCause::Schedule))
    );
}
