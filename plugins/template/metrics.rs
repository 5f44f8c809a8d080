//! The metrics of `template`.

use plugin_api::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;

/// Labels of a query that a template matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Matched {
    /// The listener.
    pub(super) server: Arc<str>,
    /// The template's zone.
    pub(super) zone: String,
    /// The view of the block.
    pub(super) view: Arc<str>,
    /// The class of the query.
    pub(super) class: &'static str,
    /// The type of the query.
    pub(super) r#type: &'static str,
}

/// [`Matched`] and the part that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    #[prometheus(flatten)]
    matched: Matched,
    section: &'static str,
    template: String,
}

/// The families.
pub(super) struct TemplateMetrics {
    matches: Family<Matched, Counter>,
    template_failures: Family<Failed, Counter>,
    rr_failures: Family<Failed, Counter>,
}

impl TemplateMetrics {
    /// The families of the process.
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            matches: metrics.get("template_matches", "Counter of template regex matches.", Family::default),
            template_failures: metrics.get(
                "template_template_failures",
                "Counter of go template failures.",
                Family::default,
            ),
            rr_failures: metrics.get("template_rr_failures", "Counter of mis-templated RRs.", Family::default),
        }
    }

    /// Counts a match.
    pub(super) fn matched(&self, labels: &Matched) {
        self.matches.get_or_create(labels).inc();
    }

    /// Counts a template that could not be filled.
    pub(super) fn template_failed(&self, labels: &Matched, section: &'static str, template: &str) {
        let labels = Failed { matched: labels.clone(), section, template: template.to_owned() };
        self.template_failures.get_or_create(&labels).inc();
    }

    /// Counts a filled template that is no record.
    pub(super) fn record_failed(&self, labels: &Matched, section: &'static str, template: &str) {
        let labels = Failed { matched: labels.clone(), section, template: template.to_owned() };
        self.rr_failures.get_or_create(&labels).inc();
    }
}
