//! Every plugin of ferrodns.
