//! Matches inside a tunnel: the packet in there has protocols of its own, and matches that imply each other.

use super::*;

/// What is known of the packet inside a tunnel.
pub struct Inside {
    tunnel: &'static str,
    protocols: ProtocolContext,
    dependencies: Dependencies,
}

impl Inside {
    pub fn new(tunnel: &'static str) -> Inside {
        Inside {
            tunnel,
            // nft reads what is inside like a frame at a bridge: any network protocol, with or without Ethernet.
            protocols: ProtocolContext::new(Family::Bridge),
            dependencies: Dependencies::default(),
        }
    }

    pub fn reset(&mut self) {
        self.dependencies.reset();
    }
}

impl Context {
    /// Work with what is known of the inside in place of what is known of the outside.
    pub(super) fn inside(&mut self, tunnel: &'static str, work: impl FnOnce(&mut Context)) {
        if self.inside.tunnel != tunnel {
            self.inside = Inside::new(tunnel);
        }
        self.swap();
        work(self);
        self.swap();
        let released = std::mem::take(&mut self.inside.dependencies.released);
        self.dependencies.released.extend(released);
    }

    fn swap(&mut self) {
        std::mem::swap(&mut self.protocols, &mut self.inside.protocols);
        std::mem::swap(&mut self.dependencies, &mut self.inside.dependencies);
    }

    /// A comparison of something inside a tunnel: processed as one of the packet in there. False: it is none.
    pub(super) fn relational_inside(&mut self, expr: &mut Expr) -> bool {
        let Kind::Relational { left, .. } = &mut expr.kind else {
            return false;
        };
        let Some(tunnel) = unwrap(left) else {
            return false;
        };
        let first = self.out.len();
        self.inside(tunnel, |context| context.relational(expr));
        wrap(expr, tunnel);
        for stmt in self.out.iter_mut().skip(first).flatten() {
            if let Stmt::Match(expr) = stmt {
                wrap(expr, tunnel);
            }
        }
        true
    }
}

/// Take the tunnel away from the left side of a comparison.
fn unwrap(expr: &mut Expr) -> Option<&'static str> {
    match &mut expr.kind {
        Kind::Inner {
            tunnel,
            expr: inner,
        } => {
            let tunnel = *tunnel;
            *expr = (**inner).clone();
            Some(tunnel)
        }
        Kind::Binop { left, .. } => unwrap(left),
        Kind::Unary { arg, .. } => unwrap(arg),
        _ => None,
    }
}

fn wrap(expr: &mut Expr, tunnel: &'static str) {
    match &mut expr.kind {
        Kind::Relational { left, .. } | Kind::Binop { left, .. } => wrap(left, tunnel),
        Kind::Unary { arg, .. } => wrap(arg, tunnel),
        Kind::Payload(_) | Kind::Meta { .. } => {
            let inner = Box::new(expr.clone());
            expr.kind = Kind::Inner {
                tunnel,
                expr: inner,
            };
        }
        _ => {}
    }
}
