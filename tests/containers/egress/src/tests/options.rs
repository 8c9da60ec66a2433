//! The command line as workerd writes it.

use crate::options::{Network, Options};

fn parse(line: &str) -> Result<Options, String> {
    Options::parse(line.split_whitespace().map(str::to_owned))
}

const LINE: &str = "--http-egress-port 4567 --http-ingress-address 0.0.0.0:39001 --docker-gateway-cidr 172.17.0.0/16 \
                    --dns-enabled --tls-intercept";

#[test]
fn what_workerd_writes_is_understood() {
    let options = parse(&format!("{LINE} --disable-ipv6")).unwrap();
    assert_eq!(options.egress_port.get(), 4567);
    assert_eq!(options.ingress, "0.0.0.0:39001".parse().unwrap());
    assert_eq!(
        options.bridge,
        Network {
            address: [172, 17, 0, 0].into(),
            prefix: 16
        }
    );
    assert_eq!(options.gateway, None);
    assert!(!options.ipv6);
    assert!(parse(LINE).unwrap().ipv6);
    assert_eq!(
        parse(&format!("{LINE} -gateway-ip=10.0.0.1"))
            .unwrap()
            .gateway,
        Some([10, 0, 0, 1].into())
    );
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("--http-egress-port 1", "--http-ingress-address"),
        ("--http-egress-port 0", "--http-egress-port"),
        ("--http-egress-port", "--http-egress-port"),
        ("--docker-gateway-cidr 172.17.0.0/33", "172.17.0.0/33"),
        ("--docker-gateway-cidr fd00::/80", "fd00::/80"),
        ("--surprise", "--surprise"),
    ];
    for (line, named) in cases {
        assert!(parse(line).unwrap_err().contains(named), "{line}");
    }
}
