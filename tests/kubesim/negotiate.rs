//! What `Accept` asks for: the format of the answer, and whether it is to have metadata only.
//! Knows no objects. It chooses as real servers do, among JSON and protobuf.

use crate::body::Format;
use crate::resource::Resource;
use crate::status::Refusal;

/// The API group of objects cut down to their metadata.
const META_GROUP: &str = "meta.k8s.io";

/// What an answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its format.
    pub(crate) format: Format,
    /// Whether objects are cut down, and how the client calls that.
    pub(crate) part: Option<Part>,
}

/// The two kinds that hold metadata only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `PartialObjectMetadata`.
    One,
    /// `PartialObjectMetadataList`.
    List,
}

/// What a client accepts, best first.
#[derive(Clone, Debug)]
pub(crate) struct Accept<'a> {
    /// Media types with their parameters.
    clauses: Vec<Clause<'a>>,
    /// The formats that there are.
    offered: &'static [Format],
}

/// One media type.
#[derive(Clone, Debug)]
struct Clause<'a> {
    /// Type and subtype, either of which may be `*`.
    media: (&'a str, &'a str),
    /// Its weight.
    quality: f64,
    /// All parameters but the weight.
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Accept<'a> {
    /// Reads a header; `has_protobuf` says whether protobuf may be answered.
    pub(crate) fn parse(header: &'a str, has_protobuf: bool) -> Self {
        let mut clauses: Vec<Clause<'a>> = Vec::new();
        // Each moves up before those that it precedes. That is no total order, so no other sort does the same.
        for clause in header.split(',').filter_map(Clause::parse) {
            let place = clauses.iter().rposition(|other| !clause.precedes(other)).map_or(0, |place| place + 1);
            clauses.insert(place, clause);
        }
        if header.is_empty() {
            clauses.push(Clause { media: ("*", "*"), quality: 1.0, params: Vec::new() });
        }
        Self { clauses, offered: if has_protobuf { &[Format::Json, Format::Protobuf] } else { &[Format::Json] } }
    }

    /// The format of refusals and other answers that are no objects of a type: JSON if nothing is acceptable.
    pub(crate) fn plain(&self) -> Format {
        self.choose(|clause, _| !clause.converts()).map_or(Format::Json, |(_, format)| format)
    }

    /// The shape of objects of a type. Custom resources are not written in protobuf, only their metadata is.
    pub(crate) fn objects(&self, resource: &Resource) -> Result<Shape, Refusal> {
        let is_allowed = |clause: &Clause<'_>, format| {
            if clause.converts() {
                clause.part().is_some()
            } else {
                format == Format::Json || resource.is_compiled_in()
            }
        };
        let chosen = self.choose(is_allowed);
        chosen.map(|(clause, format)| Shape { format, part: clause.part() }).ok_or_else(|| {
            let types: Vec<_> = self.offered.iter().map(|format| format.media_type()).collect();
            let message = format!("only the following media types are accepted: {}", types.join(", "));
            Refusal::new(406, "NotAcceptable", message)
        })
    }

    /// The first media type that fits a format and is allowed.
    fn choose(&self, is_allowed: impl Fn(&Clause<'a>, Format) -> bool) -> Option<(&Clause<'a>, Format)> {
        let pairs = self.clauses.iter().flat_map(|clause| self.offered.iter().map(move |format| (clause, *format)));
        let mut fitting = pairs.filter(|(clause, format)| clause.fits(*format));
        fitting.find(|(clause, format)| is_allowed(clause, *format))
    }
}

impl<'a> Clause<'a> {
    /// Reads one media type; none if it is none.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = match parts.next()? {
            "*" => ("*", "*"),
            media => media.split_once('/').filter(|(_, subtype)| !subtype.contains('/'))?,
        };
        let mut clause = Self { media, quality: 1.0, params: Vec::new() };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "q" => clause.quality = value.parse().unwrap_or(0.0),
                _ => clause.params.push((name, value)),
            }
        }
        Some(clause)
    }

    /// Whether it comes before another that stood before it.
    fn precedes(&self, other: &Self) -> bool {
        self.quality > other.quality
            || (self.media.0 != "*" && other.media.0 == "*")
            || (self.media.1 != "*" && other.media.1 == "*")
    }

    /// Whether a format is of this media type, and may be streamed as the parameters say.
    fn fits(&self, format: Format) -> bool {
        let (kind, subtype) = format.media_type().split_once('/').unwrap_or_default();
        let (wanted, wanted_subtype) = self.media;
        (wanted == "*" || wanted == kind)
            && (wanted_subtype == "*" || wanted_subtype == subtype)
            && matches!(self.param("stream"), "" | "watch")
    }

    /// A parameter, empty if it is absent.
    fn param(&self, name: &str) -> &'a str {
        self.params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// Whether it asks for objects as another kind.
    fn converts(&self) -> bool {
        self.params.iter().any(|(name, _)| matches!(*name, "as" | "g" | "v"))
    }

    /// The kind that it asks for, of those that there are: tables are not made.
    fn part(&self) -> Option<Part> {
        match (self.param("as"), self.param("g"), self.param("v")) {
            ("PartialObjectMetadata", META_GROUP, "v1") => Some(Part::One),
            ("PartialObjectMetadataList", META_GROUP, "v1") => Some(Part::List),
            _ => None,
        }
    }
}
