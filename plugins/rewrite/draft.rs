//! A query on its way through the rules: what the client asked, and what is asked now. Knows no rule.

use super::revert::{OptionUndo, Revert};
use plugin_api::{Edns, Error, Name, Question, Request};

/// Octets that a query without EDNS is made to accept once it gets an option (miekg/dns: SetEdns0(4096, false)).
const PAYLOAD: u16 = 4096;

/// A query that rules change.
pub(super) struct Draft<'a> {
    /// What the client asked.
    original: &'a Request,
    /// What is asked now, once it differs.
    changed: Option<Box<Request>>,
    /// The name that is asked for now, lower case, once a rule wanted it.
    text: Option<String>,
    /// What is done to the reply, in the order of the rules.
    pub(super) reverts: Vec<Revert>,
    /// What is done to options of the query before they are echoed, in the order of the rules.
    pub(super) options: Vec<OptionUndo>,
}

impl<'a> Draft<'a> {
    /// A query as the client asked it.
    pub(super) const fn new(original: &'a Request) -> Self {
        Self { original, changed: None, text: None, reverts: Vec::new(), options: Vec::new() }
    }

    /// What is asked now.
    pub(super) fn request(&self) -> &Request {
        self.changed.as_deref().unwrap_or(self.original)
    }

    /// The name that is asked for now, in presentation form and lower case.
    pub(super) fn name_text(&mut self) -> &str {
        let request = self.changed.as_deref().unwrap_or(self.original);
        self.text.get_or_insert_with(|| request.question().lower().to_string())
    }

    /// Asks for another question.
    pub(super) fn set_question(&mut self, question: Question) {
        self.text = None;
        self.change().set_question(question);
    }

    /// Asks for the name that `text` is.
    ///
    /// # Errors
    /// When it is none; the query is then SERVFAIL.
    pub(super) fn set_name(&mut self, text: &str) -> Result<(), Error> {
        let name = Name::from_text(text).map_err(|_| Error::new(format!("invalid name after rewrite: {text}")))?;
        let question = self.request().question();
        let question = Question::new(name, question.qtype(), question.class());
        self.set_question(question);
        Ok(())
    }

    /// Lets `edit` change the options of the query's EDNS, which is made if there is none.
    pub(super) fn edit_options<T>(&mut self, edit: impl FnOnce(&mut Vec<(u16, Vec<u8>)>) -> T) -> T {
        let old = self.request().edns().cloned();
        let mut edns = old.clone().unwrap_or_else(|| Edns { payload: PAYLOAD, ..Edns::default() });
        let mut options: Vec<_> = edns.options().map(|(code, data)| (code, data.to_vec())).collect();
        let result = edit(&mut options);
        edns.options.clear();
        options.iter().for_each(|(code, data)| edns.push_option(*code, data));
        if old.as_ref() != Some(&edns) {
            self.change().set_edns(Some(edns));
        }
        result
    }

    /// The query to be changed.
    fn change(&mut self) -> &mut Request {
        self.changed.get_or_insert_with(|| self.original.derive())
    }

    /// What is asked in the end, if it differs, and what is done to the reply.
    pub(super) fn finish(self) -> (Option<Box<Request>>, Vec<Revert>, Vec<OptionUndo>) {
        (self.changed, self.reverts, self.options)
    }
}
