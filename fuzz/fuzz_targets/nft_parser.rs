//! The parser of the nft language on any bytes: no panic, and every error can be shown.

#![no_main]

use hookscope::lang::nft::parse::{self, Options, render};
use hookscope::lang::nft::syntax::Source;
use hookscope::model::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = || Source {
        name: "fuzz".to_owned(),
        text: text::from_bytes(bytes),
        included: None,
    };
    let options = Options::bare();
    let (sources, result) = parse::parse(source(), &options);
    if let Err(errors) = result {
        assert!(!errors.is_empty());
        render::render_all(&sources, &errors);
    }
    let (_, rule) = parse::parse_rule(source(), &options);
    drop(rule);
    let (_, element) = parse::parse_element(source(), &options);
    drop(element);
    // The pieces of a text cover it.
    let mut at = 0;
    while let Some((_, end)) = render::piece(source().text.as_bytes(), at) {
        assert!(end > at);
        at = end;
    }
});
