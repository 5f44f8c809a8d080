//! The stable twin of the fuzz target `message`.

use super::exercise::exercise;
use super::testing::{octets, query};
use plugin_api::Type;
use proptest::prelude::{ProptestConfig, any, prop, proptest};

/// Messages to begin with: of many shapes, as they are and cut.
fn seeds() -> Vec<Vec<u8>> {
    let options = octets("00030000000a00080102030405060708000c000200000008000400010000");
    let mut reply = query(3, "www.server.test", Type::MX, Some((1232, &options)));
    reply[7] = 1;
    let at = reply.len() - 11 - options.len();
    let record = octets("c00c000f00010000003c0009000a046d61696cc010");
    reply.splice(at..at, record);
    vec![
        query(1, ".", Type::A, None),
        query(2, "a.b.c.d.e.f.test", Type::AAAA, Some((4096, &options))),
        reply,
        octets(
            "xid2400000100010000000006736572766572047465737400000600010673657276657204746573740000060001000000000016c00c01620000000001000000020000000300000004000000050000",
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_does_harm(
        seed in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut message = seeds().swap_remove(seed);
        for (at, octet) in changes {
            let at = at.index(message.len());
            message[at] = octet;
        }
        if is_cut {
            message.truncate(cut.index(message.len()));
        }
        exercise(&message);
    }

    #[test]
    fn no_octets_do_harm(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        exercise(&octets);
    }
}
