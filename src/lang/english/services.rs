//! Well-known ports by name. Data: the IANA registry of service names, those that people meet in rulesets.

/// Port, name. Of TCP and UDP alike, where both are registered or only one is used.
#[rustfmt::skip]
const SERVICES: &[(u16, &str)] = &[
    (7, "echo"), (20, "ftp-data"), (21, "ftp"), (22, "ssh"), (23, "telnet"), (25, "smtp"), (37, "time"), (43, "whois"),
    (49, "tacacs"), (53, "dns"), (67, "dhcp server"), (68, "dhcp client"), (69, "tftp"), (79, "finger"), (80, "http"),
    (88, "kerberos"), (110, "pop3"), (111, "sunrpc"), (113, "ident"), (119, "nntp"), (123, "ntp"), (135, "msrpc"),
    (137, "netbios-ns"), (138, "netbios-dgm"), (139, "netbios-ssn"), (143, "imap"), (161, "snmp"), (162, "snmp-trap"),
    (179, "bgp"), (194, "irc"), (389, "ldap"), (443, "https"), (445, "smb"), (465, "submissions"), (500, "isakmp"),
    (514, "syslog"), (515, "printer"), (520, "rip"), (546, "dhcpv6 client"), (547, "dhcpv6 server"), (548, "afp"),
    (554, "rtsp"), (587, "submission"), (631, "ipp"), (636, "ldaps"), (646, "ldp"), (853, "dns over tls"), (873, "rsync"),
    (989, "ftps-data"), (990, "ftps"), (993, "imaps"), (995, "pop3s"), (1080, "socks"), (1194, "openvpn"),
    (1433, "ms-sql"), (1521, "oracle"), (1701, "l2tp"), (1723, "pptp"), (1812, "radius"), (1813, "radius accounting"),
    (1883, "mqtt"), (1900, "ssdp"), (2049, "nfs"), (2379, "etcd client"), (2380, "etcd peers"), (3128, "squid"),
    (3260, "iscsi"), (3306, "mysql"), (3389, "rdp"), (3478, "stun"), (4500, "ipsec nat-t"), (4789, "vxlan"),
    (5060, "sip"), (5061, "sips"), (5222, "xmpp client"), (5269, "xmpp server"), (5353, "mdns"), (5355, "llmnr"),
    (5432, "postgresql"), (5672, "amqp"), (5900, "vnc"), (6081, "geneve"), (6379, "redis"), (6443, "kubernetes api"),
    (8080, "http-alt"), (8443, "https-alt"), (8883, "mqtts"), (9090, "prometheus"), (9100, "printer or node exporter"),
    (9418, "git"), (10050, "zabbix agent"), (10250, "kubelet"), (11211, "memcached"), (27017, "mongodb"),
    (51820, "wireguard"),
];

pub(super) fn service(port: u16) -> Option<&'static str> {
    let place = SERVICES.binary_search_by_key(&port, |(number, _)| *number);
    place
        .ok()
        .and_then(|place| SERVICES.get(place))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(SERVICES.is_sorted_by_key(|(port, _)| *port));
        assert_eq!((service(22), service(4)), (Some("ssh"), None));
    }
}
