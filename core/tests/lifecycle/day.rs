//! A day of fifty agents in a moment: owners come and go, schedules fall due, and now and then something fails.

use multiclaw_core::lifecycle::{Step, Wish};
use multiclaw_core::renewal::Renewal;
use multiclaw_core::snapshot::Cause;

use crate::events::{Event, Interruption};
use crate::world::{World, held};

const AGENTS: u64 = 50;
const MINUTES: u32 = 24 * 60;
/// Another day by `DAY_SEED`.
const SEED: u64 = 1;

/// Numbers that look random, the same ones for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    const fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [a, b, c, d, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
        u32::from_be_bytes([a, b, c, d]) % bound
    }

    /// Once in so many times.
    const fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    const fn index(&mut self) -> usize {
        self.below(3) as usize
    }
}

/// Names the seed of an agent whose day went wrong.
struct Told(u64);

impl Drop for Told {
    #[allow(clippy::print_stderr, reason = "who repeats the day needs it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("DAY_SEED={} repeats it as the first agent", self.0);
        }
    }
}

#[test]
fn c18_c19_c20_a_day_of_fifty_agents_loses_none_and_keeps_none_awake_without_cause() {
    let chosen = std::env::var("DAY_SEED").ok();
    let first = chosen.map_or(SEED, |seed| seed.parse().unwrap());
    for seed in first..first + AGENTS {
        let _told = Told(seed);
        a_day(&mut Dice(seed));
    }
}

fn a_day(dice: &mut Dice) {
    let mut world = World::new();
    let mut events = 0;
    let mut session_minutes = 0;
    for _ in 0..MINUTES {
        if session_minutes > 0 {
            session_minutes -= 1;
            world.experience(match dice.below(3) {
                0 => Event::UseInside,
                _ => Event::Use,
            });
            events += 1;
        } else if dice.once_in(120) {
            session_minutes = dice.below(40);
            world.experience(Event::Ask(Wish::Run));
            events += 1;
        }
        while dice.once_in(8) {
            if dice.once_in(3) {
                let quiet = dice.index();
                world
                    .interruptions
                    .extend(vec![Interruption::Nothing; quiet]);
                world.interruptions.push_back(Interruption::Die);
            }
            world.experience(mishap(dice));
            events += 1;
        }
        world.experience(Event::Pass(60));
    }
    world.alarms_are_bounded(events);
    all_is_well_after(world);
}

fn mishap(dice: &mut Dice) -> Event {
    match dice.below(24) {
        0 => Event::GatewayEnds,
        1 => Event::GatewayFallsSilent,
        2 => Event::ContainerDies,
        3 => Event::R2Fails(true),
        4..=7 => Event::R2Fails(false),
        8 => Event::R2Lies,
        9 => Event::R2Loses(dice.index()),
        10 => Event::R2Corrupts(dice.index()),
        11 => Event::CommandsFail(1 + dice.below(3)),
        12 => Event::BootsFail(1 + dice.below(3)),
        13 => Event::Change(Renewal::Reload),
        14 => Event::Change(Renewal::Restart),
        15..=17 => Event::Due(600 + dice.below(20_000)),
        18 => Event::Ask(Wish::Stop),
        19 => Event::Ask(Wish::Restart),
        20 => Event::TakeSnapshot,
        21 => Event::Restore(dice.index()),
        22 => Event::Upload,
        _ if dice.once_in(3) => Event::Evict(1 + dice.index()),
        _ => Event::Use,
    }
}

/// When nothing fails any more, and nobody comes, it sleeps; and it is all there when somebody does.
fn all_is_well_after(mut world: World) {
    world.calm_down();
    world.due = None;
    world.experience(Event::Pass(8 * 60 * 60));
    assert!(world.container.is_none(), "{:?}", world.life);
    assert_eq!(world.next(), Step::Rest, "{:?}", world.life);
    let before = world.promises.alarms;
    world.experience(Event::Pass(24 * 60 * 60));
    assert_eq!(
        world.promises.alarms, before,
        "one that sleeps costs nothing"
    );
    // What was chosen before is no measure.
    world.life.restore = None;
    let mut rows = world.rows[world.tenant].iter();
    let newest = rows
        .find(|row| row.cause != Cause::Upload && world.is_sound(row))
        .map(held);
    world.reach(Wish::Run);
    let holds = world.container.map(|container| container.version);
    assert!(newest.is_none() || holds == newest, "{newest:?} {holds:?}");
}
