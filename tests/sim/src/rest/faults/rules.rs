//! The faults that wait for their request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Fault, Moment, Trigger};
use crate::model::Model;

/// The faults that wait for their request.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    rules: Vec<Rule>,
    chaos: Option<Chaos>,
    /// Counts the times that all were forgotten.
    clearings: u64,
}

#[derive(Debug)]
struct Rule {
    method: String,
    route: String,
    trigger: Trigger,
    /// Requests of the route since the rule was made.
    seen: u64,
    planned: Planned,
}

/// Faults that strike any route by chance.
#[derive(Debug)]
struct Chaos {
    seed: u64,
    table: Vec<(Planned, u32)>,
    /// Requests by method and route.
    seen: HashMap<(String, String), u64>,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    /// The appliance as it was when the fault was made, if it needs that.
    then: Option<Arc<Model>>,
    /// How often it has come true.
    struck: u64,
}

/// What the faults make of one request.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Waited before the work.
    pub(crate) before: Duration,
    /// Waited between the work and its answer.
    pub(crate) after: Duration,
    pub(crate) strike: Option<Strike>,
    /// All of them, for the log.
    pub(crate) faults: Vec<Fault>,
    /// Holds until [`Faults::clearings`] is another.
    pub(crate) clearings: u64,
}

/// The fault that strikes a request.
#[derive(Debug)]
pub(crate) struct Strike {
    pub(crate) moment: Moment,
    /// No [`Fault::At`] and no [`Fault::Delay`].
    pub(crate) fault: Fault,
    /// What is to be read instead of the appliance.
    pub(crate) then: Option<Arc<Model>>,
    /// How often this fault has come true before.
    pub(crate) struck: u64,
}

impl Faults {
    /// Adds a fault of one route. `model` is the appliance as it is.
    pub(crate) fn add(
        &self,
        method: &str,
        route: &str,
        trigger: Trigger,
        fault: Fault,
        model: &Model,
    ) {
        let rule = Rule {
            method: method.to_owned(),
            route: route.to_owned(),
            trigger,
            seen: 0,
            planned: Planned::new(fault, model),
        };
        self.lock().rules.push(rule);
    }

    /// Lets each of these faults strike so many of a thousand requests, instead of what was said so before.
    pub(crate) fn set_chaos(&self, seed: u64, faults: &[(Fault, u32)], model: &Model) {
        let planned = |(fault, share): &(Fault, u32)| (Planned::new(fault.clone(), model), *share);
        let chaos = Chaos {
            seed,
            table: faults.iter().map(planned).collect(),
            seen: HashMap::new(),
        };
        self.lock().chaos = Some(chaos);
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        let mut rules = self.lock();
        rules.rules.clear();
        rules.chaos = None;
        rules.clearings += 1;
    }

    /// How often all have been forgotten.
    pub(crate) fn clearings(&self) -> u64 {
        self.lock().clearings
    }

    /// Uses up one turn of every delay, and of the first other fault, that waits for this route.
    pub(crate) fn take(&self, method: &str, route: &str) -> Effects {
        let mut rules = self.lock();
        let mut effects = Effects {
            clearings: rules.clearings,
            ..Effects::default()
        };
        for rule in rules
            .rules
            .iter_mut()
            .filter(|rule| rule.method == method && rule.route == route)
        {
            if rule.is_due()
                && effects.add(&mut rule.planned)
                && let Trigger::Times(left) = &mut rule.trigger
            {
                *left -= 1;
            }
        }
        rules
            .rules
            .retain(|rule| !matches!(rule.trigger, Trigger::Times(0)));
        if let Some(planned) = rules
            .chaos
            .as_mut()
            .and_then(|chaos| chaos.draw(method, route))
        {
            effects.add(planned);
        }
        effects
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Effects {
    /// Adds a fault, unless there is one already; false then.
    fn add(&mut self, planned: &mut Planned) -> bool {
        let (moment, fault) = planned.fault.resolved();
        if let Fault::Delay(time) = fault {
            let total = match moment {
                Moment::BeforeWork => &mut self.before,
                Moment::AfterWork => &mut self.after,
            };
            *total = total.saturating_add(*time);
        } else if self.strike.is_some() {
            return false;
        } else {
            self.strike = Some(Strike {
                moment,
                fault: fault.clone(),
                then: planned.then.clone(),
                struck: planned.struck,
            });
        }
        self.faults.push(planned.fault.clone());
        planned.struck += 1;
        true
    }
}

impl Planned {
    fn new(fault: Fault, model: &Model) -> Self {
        let stale = matches!(fault.resolved().1, Fault::StaleList);
        Self {
            fault,
            then: stale.then(|| Arc::new(model.frozen())),
            struck: 0,
        }
    }
}

impl Rule {
    /// Is it this request's turn? Counts the request.
    fn is_due(&mut self) -> bool {
        self.seen += 1;
        match self.trigger {
            Trigger::Times(left) => left > 0,
            Trigger::Every(n) => self.seen.is_multiple_of((n as u64).max(1)),
            Trigger::Share { seed, per_mille } => {
                draw(seed, &self.method, &self.route, self.seen) < per_mille
            }
        }
    }
}

impl Chaos {
    /// What strikes the next request of this route, if anything does.
    fn draw(&mut self, method: &str, route: &str) -> Option<&mut Planned> {
        let seen = self
            .seen
            .entry((method.to_owned(), route.to_owned()))
            .or_default();
        *seen += 1;
        let mut drawn = draw(self.seed, method, route, *seen);
        for (planned, share) in &mut self.table {
            if drawn < *share {
                let fits = method == "GET" || !planned.fault.needs_get();
                return fits.then_some(planned);
            }
            drawn -= *share;
        }
        None
    }
}

/// A number below 1000 that looks like chance: the same one for the same request of a route, in
/// whatever order the routes are asked.
fn draw(seed: u64, method: &str, route: &str, number: u64) -> u32 {
    // FNV-1a over the route, then SplitMix64's mixing.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in method.bytes().chain([b' ']).chain(route.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut mixed = hash
        .wrapping_add(seed.wrapping_mul(0xd134_2543_de82_ef95))
        .wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % 1000) as u32
}
