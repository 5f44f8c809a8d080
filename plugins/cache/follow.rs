//! Misses with one key at the same time: what a query does with its leader's reply (see `flight`).

use super::classify::kind_of;
use super::flight::{Followed, Follower, Lead, PATIENCE, Role, Shared, fingerprint};
use super::handler::{Found, Inner, Miss, hide_authentic, written};
use super::item::RefreshEnd;
use super::store::Key;
use plugin_api::{Next, Outcome, Request, Response};
use tokio::time::Instant;

/// What came back from the next plugin.
pub(super) enum Asked<'a> {
    /// For this query, whose followers are to be told.
    Own(Outcome, Option<Lead<'a>>),
    /// For the leader that this query followed; it is in the store already, if it may be.
    Followed(Outcome),
}

impl Inner {
    /// Gives a client what the leader gets; asks if the leader is late or its reply is not for this client.
    pub(super) async fn follow<'a>(
        &'a self,
        request: &'a Request,
        next: Next<'a>,
        miss: Miss<'a>,
        follower: Follower<'a>,
    ) -> Outcome {
        match self.await_leader(request, &miss.key, follower).await {
            Ok(outcome) => outcome,
            Err(lead) => {
                let outcome = next.run(request).await;
                self.take(request, Miss { lead, ..miss }, outcome)
            }
        }
    }

    /// Asks the next plugin, or follows an equal query that does.
    pub(super) async fn ask<'a>(&'a self, request: &'a Request, next: Next<'a>, key: &Key<'_>) -> Asked<'a> {
        let lead = match self.flights.enter(request, key, &self.hasher) {
            Role::Leader(lead) => Some(lead),
            Role::Alone | Role::Refused => None,
            Role::Follower(follower) => match self.await_leader(request, key, follower).await {
                Ok(outcome) => return Asked::Followed(outcome),
                Err(lead) => lead,
            },
        };
        Asked::Own(next.run(request).await, lead)
    }

    /// Waits for the leader's reply. What it left in the store is answered as a hit. What may not be kept is shared with those whose
    /// query an upstream could not have told from the leader's; others, for which the reply may be another one, take what the next
    /// leader gets, so that two round trips are the most. An error where this query is to ask, as a leader or alone.
    async fn await_leader<'a>(
        &'a self,
        request: &Request,
        key: &Key<'_>,
        mut follower: Follower<'a>,
    ) -> Result<Outcome, Option<Lead<'a>>> {
        let entered = Instant::now();
        let mut is_last = false;
        loop {
            let followed = follower.wait(request, &self.hasher).await;
            if let Followed::Leader(lead) = followed {
                return Err(Some(lead));
            }
            if let Some(outcome) = self.kept_meanwhile(request, key) {
                return Ok(outcome);
            }
            match followed {
                Followed::Leader(_) | Followed::Alone => {}
                Followed::Shared(shared) => {
                    if shared.is_truncated() && request.origin().transport.network() != "udp" {
                        return Err(None);
                    }
                    // A failure just after this query has come says nothing about what this query would have met.
                    let is_early = shared.is_failure() && entered.elapsed() < PATIENCE;
                    if is_last || !is_early && shared.is_for(fingerprint(request, &self.hasher)) {
                        return Ok(self.share(request, &shared));
                    }
                    is_last = true;
                }
            }
            follower = match self.flights.enter(request, key, &self.hasher) {
                Role::Follower(follower) => follower,
                Role::Leader(lead) => return Err(Some(lead)),
                Role::Alone | Role::Refused => return Err(None),
            };
        }
    }

    /// What another query has put into the store since this one looked.
    fn kept_meanwhile(&self, request: &Request, key: &Key<'_>) -> Option<Outcome> {
        let (_, Found::Fresh(message, refresh)) = self.look(key, request, self.clock.now())? else { return None };
        if refresh {
            self.end_refresh(key, RefreshEnd::Done);
        }
        Some(Ok(Response::Message(message)))
    }

    /// What the client of a follower gets of a reply that is not in the store.
    fn share(&self, request: &Request, shared: &Shared) -> Outcome {
        let mut outcome = shared.outcome(request);
        if let Some(message) = written(&mut outcome) {
            let kind = kind_of(message, self.clock.unix_seconds());
            self.flatten(message, kind);
            hide_authentic(request, message);
        }
        outcome
    }
}
