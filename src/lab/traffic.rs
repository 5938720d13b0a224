//! Traffic of the lab: small servers, and clients that keep talking to them until the lab ends.

use super::namespace::{LabError, Namespace};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Stops all traffic when dropped.
pub struct Traffic {
    stop: Arc<AtomicBool>,
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

const PATIENCE: Duration = Duration::from_millis(400);

impl Traffic {
    pub fn new() -> Traffic {
        Traffic {
            stop: Arc::default(),
        }
    }

    /// Repeat something in a namespace until the end.
    fn repeat(
        &self,
        place: &Namespace,
        name: &str,
        pause: Duration,
        mut work: impl FnMut() + Send + 'static,
    ) -> Result<(), LabError> {
        let stop = self.stop.clone();
        place.spawn(name, move || {
            while !stop.load(Ordering::Relaxed) {
                work();
                thread::sleep(pause);
            }
        })
    }

    /// Answers each connection with some bytes.
    pub fn tcp_server(
        &self,
        place: &Namespace,
        at: SocketAddr,
        answer: usize,
    ) -> Result<(), LabError> {
        let listener = place.run(move || Ok(TcpListener::bind(at)?))?;
        let stop = self.stop.clone();
        place.spawn("lab-tcp-server", move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // A client that went away is part of the game.
                let Ok(mut stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(PATIENCE));
                let mut request = [0; 512];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(&vec![b'x'; answer]);
            }
        })
    }

    /// Sends every datagram back.
    pub fn udp_server(&self, place: &Namespace, at: SocketAddr) -> Result<(), LabError> {
        let socket = place.run(move || Ok(UdpSocket::bind(at)?))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let stop = self.stop.clone();
        place.spawn("lab-udp-server", move || {
            let mut bytes = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((len, from)) = socket.recv_from(&mut bytes) {
                    let _ = socket.send_to(bytes.get(..len).unwrap_or_default(), from);
                }
            }
        })
    }

    pub fn tcp_client(
        &self,
        place: &Namespace,
        to: SocketAddr,
        pause: Duration,
    ) -> Result<(), LabError> {
        self.repeat(place, "lab-tcp-client", pause, move || {
            if let Ok(mut stream) = TcpStream::connect_timeout(&to, PATIENCE) {
                let _ = stream.set_read_timeout(Some(PATIENCE));
                let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
                let _ = stream.read_to_end(&mut Vec::new());
            }
        })
    }

    pub fn udp_client(
        &self,
        place: &Namespace,
        to: SocketAddr,
        pause: Duration,
    ) -> Result<(), LabError> {
        self.repeat(place, "lab-udp-client", pause, move || {
            let any: SocketAddr = if to.is_ipv4() {
                ([0, 0, 0, 0], 0).into()
            } else {
                ([0u16; 8], 0).into()
            };
            if let Ok(socket) = UdpSocket::bind(any) {
                let _ = socket.set_read_timeout(Some(PATIENCE));
                let _ = socket.send_to(b"lab", to);
                let _ = socket.recv_from(&mut [0; 64]);
            }
        })
    }

    /// Knocks on ports that nobody opens.
    pub fn scanner(
        &self,
        place: &Namespace,
        at: std::net::IpAddr,
        pause: Duration,
    ) -> Result<(), LabError> {
        let mut port = 1u16;
        self.repeat(place, "lab-scanner", pause, move || {
            port = port.wrapping_mul(75).wrapping_add(74).max(1);
            if let Ok(socket) = UdpSocket::bind("0.0.0.0:0") {
                let _ = socket.send_to(b"?", SocketAddr::new(at, port));
            }
        })
    }
}
