//! Seeds for the fuzz targets: what the kernel of this network namespace answers.
//!
//! `seeds DIRECTORY` fills `DIRECTORY/<target>`.

use hookscope::kernel::netlink::{Protocol, Socket, message};
use hookscope::kernel::nf_tables::load::{self, ReadElements};
use hookscope::model::{Elements, Ruleset};
use hookscope::session::snapshot;
use std::error::Error;
use std::fs;
use std::path::Path;

const NF_TABLES: u16 = 10 << 8;

fn messages_of(ruleset: &Ruleset) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for table in &ruleset.tables {
        let put = |out: &mut Vec<u8>, kind: u16, raw: &[u8]| {
            message::write(out, NF_TABLES | kind, 0, 0, &[&[table.family.to_wire(), 0, 0, 0], raw]);
        };
        let mut all = Vec::new();
        put(&mut all, 0, &table.raw);
        for set in &table.sets {
            let mut one = Vec::new();
            put(&mut one, 0, &table.raw);
            put(&mut one, 9, &set.raw);
            if let Elements::Read(list) = &set.elements {
                let mut attributes = hookscope::kernel::netlink::AttrWriter::new();
                attributes.text(1, &table.name).text(2, &set.name);
                attributes.nest(3, |elements| {
                    for element in list.iter() {
                        elements.put(1 | 0x8000, element);
                    }
                });
                put(&mut one, 12, attributes.as_bytes());
            }
            all.extend_from_slice(&one);
            seeds.push(one);
        }
        for object in &table.objects {
            let mut one = Vec::new();
            put(&mut one, 0, &table.raw);
            put(&mut one, 18, &object.raw);
            seeds.push(one);
        }
        for flowtable in &table.flowtables {
            let mut one = Vec::new();
            put(&mut one, 0, &table.raw);
            put(&mut one, 22, &flowtable.raw);
            seeds.push(one);
        }
        for chain in &table.chains {
            for rule in chain.rules.iter() {
                let mut one = Vec::new();
                put(&mut one, 0, &table.raw);
                put(&mut one, 3, &chain.raw);
                put(&mut one, 6, rule.attributes);
                seeds.push(one);
            }
            put(&mut all, 3, &chain.raw);
        }
        seeds.push(all);
    }
    seeds
}

fn dump(protocol: Protocol, kind: u16, payload: &[u8], seeds: &mut Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    let mut socket = Socket::open(protocol)?;
    // What this kernel does not have gives no seed.
    let _ = socket.dump(kind, &[payload], |one| {
        let mut seed = Vec::new();
        message::write(&mut seed, one.kind, one.flags, 0, &[one.payload]);
        seeds.push(seed);
        Ok(())
    });
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("seeds DIRECTORY")?;
    let save = |target: &str, seeds: &[Vec<u8>]| -> Result<(), Box<dyn Error>> {
        let directory = Path::new(&directory).join(target);
        fs::create_dir_all(&directory)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(directory.join(format!("seed-{number}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
        Ok(())
    };
    let ruleset = load::load(&mut Socket::open(Protocol::Netfilter)?, ReadElements::All)?;
    save("nf_tables", &messages_of(&ruleset))?;

    // RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE, RTM_GETNEXTHOP, with room for each header.
    let mut seeds = Vec::new();
    for (kind, header) in [(18, 16), (22, 8), (26, 12), (30, 12), (34, 12), (106, 8)] {
        dump(Protocol::Route, kind, &vec![0; header], &mut seeds)?;
    }
    save("rtnetlink", &seeds)?;

    let mut seeds = Vec::new();
    dump(Protocol::Netfilter, (1 << 8) | 1, &[0, 0, 0, 0], &mut seeds)?;
    save("netfilter", &seeds)?;

    let whole = snapshot::take(None)?;
    let mut inside = Vec::new();
    ciborium::into_writer(&whole, &mut inside)?;
    let mut file = Vec::new();
    snapshot::write(&whole, &mut file)?;
    save("snapshot", &[inside, file])?;
    Ok(())
}
