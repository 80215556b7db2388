//! Questions that this node asks other nodes (scatter and gather). Records which answers are missing, merges those that
//! arrive, and returns the result to the caller. It must never send a message or set a timer: its owner publishes the
//! question and calls [`ScatterGather::expire`] at the deadline.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use crate::{ids::NodeId, limits};

/// The answers of nodes. The default value stands for "no answer".
pub trait Answer: Default {
    /// Merges the answer of another node, or another part of the same answer.
    fn merge(&mut self, other: Self);
}

/// The questions that are open, at most [`limits::GATHERS_WAITING_MAX`].
pub struct ScatterGather<A> {
    asked: u64,
    open: BTreeMap<u64, Open<A>>,
}

struct Open<A> {
    missing: Missing,
    merged: A,
    done: oneshot::Sender<A>,
}

enum Missing {
    /// These nodes, each with the number of parts that have arrived from it.
    Nodes(BTreeMap<NodeId, u32>),
    /// One answer from any node.
    Any,
}

impl<A> Default for ScatterGather<A> {
    fn default() -> ScatterGather<A> {
        ScatterGather { asked: 0, open: BTreeMap::new() }
    }
}

impl<A: Answer> ScatterGather<A> {
    /// Opens a question to these nodes. The receiver gets the merged answers when all nodes have answered or the
    /// question expires. Returns `None` if there is no node to ask or too many questions are open.
    pub fn ask_all(&mut self, nodes: impl IntoIterator<Item = NodeId>) -> Option<(u64, oneshot::Receiver<A>)> {
        let nodes: BTreeMap<NodeId, u32> = nodes.into_iter().map(|node| (node, 0)).collect();
        if nodes.is_empty() { None } else { self.open(Missing::Nodes(nodes)) }
    }

    /// Opens a question that is closed by the first answer, from whichever node. Returns `None` if too many are open.
    pub fn ask_any(&mut self) -> Option<(u64, oneshot::Receiver<A>)> {
        self.open(Missing::Any)
    }

    fn open(&mut self, missing: Missing) -> Option<(u64, oneshot::Receiver<A>)> {
        if self.open.len() >= limits::GATHERS_WAITING_MAX {
            return None;
        }
        self.asked += 1;
        let (done, answer) = oneshot::channel();
        self.open.insert(self.asked, Open { missing, merged: A::default(), done });
        Some((self.asked, answer))
    }

    /// Adds a node's answer, or one of the `parts` of which it consists. Answers to closed questions and of nodes that
    /// were not asked are ignored.
    pub fn answer(&mut self, from: NodeId, question: u64, parts: u32, answer: A) {
        let Some(open) = self.open.get_mut(&question) else { return };
        let is_complete = match &mut open.missing {
            Missing::Any => true,
            Missing::Nodes(nodes) => {
                let Some(arrived) = nodes.get_mut(&from) else { return };
                *arrived += 1;
                if *arrived >= parts {
                    nodes.remove(&from);
                }
                nodes.is_empty()
            }
        };
        open.merged.merge(answer);
        if is_complete {
            self.expire(question);
        }
    }

    /// A node is gone: its answers are not expected any more.
    pub fn forget_node(&mut self, gone: NodeId) {
        let complete = self.open.extract_if(.., |_, open| match &mut open.missing {
            Missing::Any => false,
            Missing::Nodes(nodes) => nodes.remove(&gone).is_some() && nodes.is_empty(),
        });
        complete.for_each(|(_, open)| open.close());
    }

    /// Closes a question with the answers that have arrived. Returns the number of nodes that did not answer, or `None`
    /// if the question was closed before.
    pub fn expire(&mut self, question: u64) -> Option<usize> {
        let open = self.open.remove(&question)?;
        let unanswered = match &open.missing {
            Missing::Any => 0,
            Missing::Nodes(nodes) => nodes.len(),
        };
        open.close();
        Some(unanswered)
    }
}

impl<A> Open<A> {
    fn close(self) {
        // an error means that the caller has stopped waiting
        let _ = self.done.send(self.merged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, PartialEq, Debug)]
    struct Sum(u32);

    impl Answer for Sum {
        fn merge(&mut self, other: Sum) {
            self.0 += other.0;
        }
    }

    fn nodes() -> [NodeId; 2] {
        [NodeId::generate(), NodeId::generate()]
    }

    #[test]
    fn a_question_ends_when_every_node_has_sent_all_parts() {
        let (mut gatherer, [a, b]) = (ScatterGather::default(), nodes());
        let (question, mut answer) = gatherer.ask_all([a, b]).unwrap();
        gatherer.answer(a, question, 2, Sum(1));
        gatherer.answer(b, question, 1, Sum(10));
        assert!(answer.try_recv().is_err(), "a part of the first node's answer is missing");
        gatherer.answer(NodeId::generate(), question, 1, Sum(1000));
        gatherer.answer(a, question, 2, Sum(100));
        assert_eq!(answer.try_recv(), Ok(Sum(111)), "a node that was not asked is ignored");
        assert_eq!(gatherer.expire(question), None);
    }

    #[test]
    fn nobody_waits_for_a_node_that_has_gone() {
        let (mut gatherer, [a, b]) = (ScatterGather::default(), nodes());
        let (question, mut answer) = gatherer.ask_all([a, b]).unwrap();
        gatherer.answer(a, question, 1, Sum(1));
        gatherer.forget_node(b);
        assert_eq!(answer.try_recv(), Ok(Sum(1)));
    }

    #[test]
    fn an_expired_question_returns_what_has_arrived() {
        let (mut gatherer, [a, b]) = (ScatterGather::default(), nodes());
        let (question, mut answer) = gatherer.ask_all([a, b]).unwrap();
        gatherer.answer(b, question, 1, Sum(7));
        assert_eq!(gatherer.expire(question), Some(1));
        assert_eq!(answer.try_recv(), Ok(Sum(7)));
    }

    #[test]
    fn the_first_answer_ends_a_question_to_any_node() {
        let (mut gatherer, [a, b]) = (ScatterGather::default(), nodes());
        let (question, mut answer) = gatherer.ask_any().unwrap();
        gatherer.forget_node(a);
        gatherer.answer(b, question, 1, Sum(3));
        gatherer.answer(a, question, 1, Sum(4));
        assert_eq!(answer.try_recv(), Ok(Sum(3)));
    }

    #[test]
    fn open_questions_are_bounded() {
        let (mut gatherer, [a, _]) = (ScatterGather::<Sum>::default(), nodes());
        assert!(gatherer.ask_all([]).is_none(), "nobody to ask");
        let open: Vec<_> = (0..limits::GATHERS_WAITING_MAX).map(|_| gatherer.ask_all([a]).unwrap()).collect();
        assert!(gatherer.ask_all([a]).is_none());
        assert!(gatherer.ask_any().is_none());
        gatherer.expire(open[0].0);
        assert!(gatherer.ask_any().is_some());
    }
}
