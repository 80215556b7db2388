//! Messages of calls.

use super::*;
use crate::{
    core::call::{CallEnd, CallKey, CallMessage, CallNews},
    ids::CallId,
};

pub fn message() -> BoxedStrategy<CallMessage> {
    let socket = || (any::<u64>(), conn()).prop_map(|(node, conn)| SocketId { node: NodeId(node), conn });
    let what = prop_oneof![
        ("[^\\p{Cc}]{1,128}", json()).prop_map(|(id, data)| CallNews::Offered { id: CallId::new(id).unwrap(), data }),
        Just(CallNews::Rings),
        json().prop_map(|data| CallNews::Answered { data }),
        socket().prop_map(|winner| CallNews::Accepted { winner }),
        json().prop_map(|data| CallNews::Signal { kind: SignalKind::IceCandidate, data }),
        (prop::sample::select(&CallEnd::ALL), prop::option::of(json()))
            .prop_map(|(reason, data)| CallNews::Ended { reason, data }),
        Just(CallNews::Probe),
    ];
    (author(), user(), socket(), socket(), any::<u32>(), prop::option::of(socket()), what)
        .prop_map(|(from, user, caller, socket, serial, to, what)| {
            let call = CallKey { caller, serial };
            CallMessage { call, from, socket, user, to, what }
        })
        .boxed()
}
