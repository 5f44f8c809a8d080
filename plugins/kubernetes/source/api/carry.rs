//! A piece of a response that comes in several chunks: kept until its end, copied only then.

/// The part of a piece that came in earlier chunks.
#[derive(Debug, Default)]
pub(super) struct Carry {
    /// The octets; after they have been handed out they stand until the next piece.
    octets: Vec<u8>,
    /// Whether they have been handed out.
    is_taken: bool,
}

impl Carry {
    /// Returns how many octets wait for the rest of their piece.
    pub(super) const fn len(&self) -> usize {
        if self.is_taken { 0 } else { self.octets.len() }
    }

    /// Keeps a part whose piece goes on.
    pub(super) fn keep(&mut self, part: &[u8]) {
        self.forget_taken();
        self.octets.extend_from_slice(part);
    }

    /// Returns the whole piece whose end is `part`: that itself if nothing came before.
    pub(super) fn end<'a>(&'a mut self, part: &'a [u8]) -> &'a [u8] {
        self.forget_taken();
        if self.octets.is_empty() {
            return part;
        }
        self.octets.extend_from_slice(part);
        self.is_taken = true;
        &self.octets
    }

    /// Forgets a piece that has been handed out; its memory is used again.
    fn forget_taken(&mut self) {
        if std::mem::take(&mut self.is_taken) {
            self.octets.clear();
        }
    }
}
