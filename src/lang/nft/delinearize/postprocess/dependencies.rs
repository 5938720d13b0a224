//! Matches that tell a protocol, and may turn out to be implied by later ones.

use super::*;

/// Matches that tell a protocol and may turn out to be implied.
#[derive(Default)]
pub struct Dependencies {
    /// By the layer of the protocol that is told: place in the output, and the match.
    pub(super) stored: [Option<(usize, Op, Expr, Expr)>; 7],
    pub icmp_type: u8,
    /// The place of the statement before this one.
    pub(super) previous: Option<usize>,
    pub(super) released: Vec<usize>,
}

impl Dependencies {
    pub(super) fn slot(&self, layer: Layer) -> Option<usize> {
        let index = layer as usize;
        if self.stored.get(index).is_some_and(Option::is_some) {
            return Some(index);
        }
        let inner = Layer::Inner as usize;
        (layer == Layer::Transport && self.stored.get(inner).is_some_and(Option::is_some))
            .then_some(inner)
    }

    pub fn exists(&self, layer: Layer) -> bool {
        self.slot(layer).is_some()
    }

    pub fn get(&self, layer: Layer) -> Option<(Op, &Expr, &Expr)> {
        let (_, op, left, right) = self.stored.get(self.slot(layer)?)?.as_ref()?;
        Some((*op, left, right))
    }

    pub fn release(&mut self, layer: Layer) {
        if let Some(slot) = self.slot(layer)
            && let Some((place, ..)) = self.stored.get_mut(slot).and_then(Option::take)
        {
            self.released.push(place);
            if self.previous == Some(place) {
                self.previous = None;
            }
        }
    }

    /// Remember a match on a field of `layer` that tells the protocol above.
    pub(super) fn store(&mut self, layer: Layer, place: usize, op: Op, left: &Expr, right: &Expr) {
        if self.is_icmp_echo(left, right) {
            return;
        }
        if let Some(slot) = self.stored.get_mut(layer as usize + 1) {
            *slot = Some((place, op, left.clone(), right.clone()));
        }
    }

    /// Remembers the ICMP type. Echo stands for request and reply, which no single value implies.
    pub(super) fn is_icmp_echo(&mut self, left: &Expr, right: &Expr) -> bool {
        let (Some(payload), Some(value)) = (left.as_payload(), right.as_value()) else {
            return false;
        };
        if right.len != 8 {
            return false;
        }
        let kind = number::low8(value);
        if payload.protocol.is(&protocol::ICMP) {
            self.icmp_type = if kind == 0 { 8 } else { kind };
            return self.icmp_type == 8;
        }
        if payload.protocol.is(&protocol::ICMPV6) {
            self.icmp_type = kind;
            return kind == 128 || kind == 129;
        }
        false
    }

    pub(super) fn reset(&mut self) {
        let released = std::mem::take(&mut self.released);
        *self = Dependencies {
            released,
            ..Dependencies::default()
        };
    }
}
