//! Tells an operator when the picture of the cluster has become old, and when it is right again: one line each.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{Timestamp, Unit};
use tokio::time::sleep;

use super::Link;
use super::status::Status;
use super::target::Target;
use crate::kubernetes::objects::Kind;
use crate::kubernetes::source::LOG;

/// How many times a picture is looked at until it is old.
const LOOKS: u32 = 60;

/// Looks at the age of all kinds, for ever.
pub(super) async fn run(link: Arc<Link>, targets: Vec<Target>) {
    let mut old = Old { after: link.timing.stale_after, place: link.connector.place(), kinds: Vec::new() };
    loop {
        sleep(link.timing.stale_after / LOOKS).await;
        old.look(&link.status, &targets, SystemTime::now());
    }
}

/// The kinds that an operator was told of.
#[derive(Debug)]
struct Old {
    /// From which age on a picture is old.
    after: Duration,
    /// Where the server is.
    place: String,
    /// Those that are old, each with how old it was at the last look.
    kinds: Vec<(Kind, Duration)>,
}

impl Old {
    /// Looks at all kinds and says what is new.
    fn look(&mut self, status: &Status, targets: &[Target], now: SystemTime) {
        let age = |target: &Target| status.of(target.kind).age().unwrap_or_default();
        let is_told = |kinds: &[(Kind, Duration)], kind| kinds.iter().any(|(told, _)| *told == kind);
        if targets.iter().any(|target| age(target) >= self.after && !is_told(&self.kinds, target.kind)) {
            // Who is in trouble now will be old soon, and for the same reason: one line for all.
            let is_meant = |target: &&Target| {
                let in_trouble = status.of(target.kind).trouble().is_some() && age(target) >= self.after / 2;
                (age(target) >= self.after || in_trouble) && !is_told(&self.kinds, target.kind)
            };
            let meant: Vec<&Target> = targets.iter().filter(is_meant).collect();
            self.kinds.extend(meant.iter().map(|target| (target.kind, age(target))));
            self.warn(status, &meant, now);
        }
        let mut fresh = Vec::new();
        for target in targets {
            let Some(at) = self.kinds.iter().position(|(kind, _)| *kind == target.kind) else { continue };
            let (_, before) = self.kinds.remove(at);
            if age(target) < before {
                fresh.push((target.resource(), before));
            } else {
                self.kinds.insert(at, (target.kind, age(target)));
            }
        }
        if let Some(longest) = fresh.iter().map(|(_, age)| *age).max() {
            let names: Vec<&str> = fresh.iter().map(|(name, _)| name.as_str()).collect();
            let seconds = longest.as_secs();
            tracing::info!(target: LOG, "the picture of {} is right again, it was up to {seconds} s old", names.join(", "));
        }
    }

    /// Says that kinds have become old.
    fn warn(&self, status: &Status, targets: &[&Target], now: SystemTime) {
        let age = |target: &&&Target| status.of(target.kind).age().unwrap_or_default();
        let Some(oldest) = targets.iter().max_by_key(age) else { return };
        let names: Vec<String> = targets.iter().map(|target| target.resource()).collect();
        let seconds = age(&oldest).as_secs();
        let since = now.checked_sub(age(&oldest)).and_then(|since| Timestamp::try_from(since).ok());
        let since = since.and_then(|since| since.round(Unit::Second).ok()).map(|since| since.to_string());
        let since = since.unwrap_or_else(|| "long ago".to_owned());
        let why = status.of(oldest.kind).trouble().unwrap_or_else(|| "a watch is open and silent".to_owned());
        tracing::warn!(
            target: LOG,
            "the picture of {} is {seconds} s old, nothing has been heard since {since}: {why}. Names are answered from it. \
             Does the API server at {} run, can it be reached from here, and does nothing between cut long connections?",
            names.join(", "),
            self.place
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::Failure;
    use super::*;
    use crate::kubernetes::source::Wanted;
    use crate::trial::Logged;

    #[tokio::test(start_paused = true)]
    async fn one_line_when_it_is_old_and_one_when_it_is_right() {
        let targets =
            [Kind::Service, Kind::EndpointSlice, Kind::Namespace].map(|kind| Target::new(kind, &Wanted::default()));
        let status = Status::default();
        let mut old = Old { after: Duration::from_secs(62), place: "https://10.96.0.1/".into(), kinds: Vec::new() };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut look = |status: &Status| Logged::during(|| old.look(status, &targets, now));
        assert_eq!(look(&status), Vec::<String>::new(), "what was never read is told elsewhere");
        targets.iter().for_each(|target| status.of(target.kind).hear());
        sleep(Duration::from_secs(10)).await;
        status.of(Kind::EndpointSlice).hear();
        status.of(Kind::Namespace).hear();
        for kind in [Kind::Service, Kind::EndpointSlice] {
            status.of(kind).fail(&Failure::Away("refused".into()));
        }
        sleep(Duration::from_secs(51)).await;
        assert_eq!(look(&status), Vec::<String>::new(), "61 s are no reason");
        sleep(Duration::from_secs(1)).await;
        let line = "[WARN] plugin/kubernetes: the picture of services, endpointslices.discovery.k8s.io is 62 s old, nothing has \
            been heard since 2027-01-15T07:58:58Z: refused. Names are answered from it. Does the API server at \
            https://10.96.0.1/ run, can it be reached from here, and does nothing between cut long connections?";
        assert_eq!(look(&status), [line]);
        assert_eq!(look(&status), Vec::<String>::new(), "it is told once");
        status.of(Kind::Namespace).hear();
        sleep(Duration::from_secs(30)).await;
        assert_eq!(look(&status), Vec::<String>::new());
        for kind in [Kind::Service, Kind::EndpointSlice] {
            status.of(kind).hear();
        }
        let again = "[INFO] plugin/kubernetes: the picture of services, endpointslices.discovery.k8s.io is right again, \
            it was up to 92 s old";
        assert_eq!(look(&status), [again]);
        assert_eq!(look(&status), Vec::<String>::new());
    }
}
