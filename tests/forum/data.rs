//! A chapter: the databases keep what they are given. PostgreSQL's two replicas follow the primary; Redis
//! gets a new master when its master's pod goes.

use std::time::Duration;

use crate::cluster::{get, inside, kubectl};
use crate::story::{Seen, ensure, step, wait_for};
use crate::using::Traces;

/// Longest wait until a row has reached a replica.
const REPLICATION: Duration = Duration::from_secs(15);
/// Longest wait until the sentinels see each other: on a busy machine one may lose sight of another.
const QUORUM: Duration = Duration::from_secs(30);
/// Longest wait for a new Redis master.
const FAILOVER: Duration = Duration::from_secs(60);
/// Longest wait until all members are back.
const RECOVERY: Duration = Duration::from_secs(120);
/// The sentinels, and as many Redis pods.
const MEMBERS: [&str; 3] = ["0", "1", "2"];

/// Looks into the databases and takes the Redis master away.
pub(crate) fn databases(traces: &mut Traces) {
    step("two replicas stream from the primary", || {
        wait_for("two streaming replicas", REPLICATION, || {
            let rows =
                sql("postgres-0", "SELECT application_name, state FROM pg_stat_replication ORDER BY 1")?;
            let streaming = rows == "postgres-1|streaming\npostgres-2|streaming";
            Ok(if streaming { Ok(()) } else { Err(rows) })
        })
    });
    step("a row written on the primary is read on both replicas", a_row_reaches_the_replicas);
    step("every sentinel sees a quorum", || {
        wait_for("quorum of three", QUORUM, || Ok(MEMBERS.iter().try_for_each(|member| has_quorum(member))))
    });
    step("the Redis master's pod is deleted, and another one becomes master", the_master_goes);
    step("the forum still posts", || traces.member_posts());
    step("Redis is whole again", || {
        wait_for("master with two replicas, and a quorum", RECOVERY, || Ok(redis_is_whole()))
    });
    step("the queue works with the new master", || traces.member_replies());
}

fn sql(pod: &str, statement: &str) -> Seen<String> {
    inside(
        pod,
        &format!(
            "psql -h /var/run/postgresql -U postgres -d wesago -XAtq -v ON_ERROR_STOP=1 -c \"{statement}\""
        ),
    )
}

fn a_row_reaches_the_replicas() -> Seen {
    sql("postgres-0", "DROP TABLE IF EXISTS end_to_end")?;
    let marker = sql(
        "postgres-0",
        "CREATE TABLE end_to_end AS SELECT md5(random()::text) AS marker; SELECT marker FROM end_to_end",
    )?;
    ensure!(marker.len() == 32, "the primary wrote `{marker}`");
    for replica in ["postgres-1", "postgres-2"] {
        wait_for("row on the replica", REPLICATION, || {
            Ok(match sql(replica, "SELECT marker FROM end_to_end") {
                Ok(read) if read == marker => Ok(()),
                Ok(seen) | Err(seen) => Err(format!("{replica}: {seen}")),
            })
        })?;
        let refused = sql(replica, "DELETE FROM end_to_end");
        let is_read_only = refused.as_ref().is_err_and(|seen| seen.contains("read-only transaction"));
        ensure!(is_read_only, "{replica} takes writes: {refused:?}");
    }
    sql("postgres-0", "DROP TABLE end_to_end")?;
    Ok(())
}

fn has_quorum(member: &str) -> Seen {
    let answer = inside(&format!("sentinel-{member}"), "redis-cli -p 26379 SENTINEL CKQUORUM wesago")?;
    ensure!(answer.starts_with("OK 3 usable Sentinels"), "sentinel-{member}: {answer}");
    Ok(())
}

/// Returns the pod that a sentinel names as the master; the sentinels know it by that name.
fn master(sentinel: &str) -> Seen<String> {
    let pod = format!("sentinel-{sentinel}");
    let answer = inside(&pod, "redis-cli -p 26379 SENTINEL get-master-addr-by-name wesago")?;
    let name = answer.lines().next().unwrap_or_default().to_owned();
    ensure!(name.starts_with("redis-"), "{pod} names the master `{answer}`");
    Ok(name)
}

fn role(pod: &str) -> Seen<String> {
    let answer = inside(pod, "REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -p 6379 ROLE")?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

fn the_master_goes() -> Seen {
    let before = master("0")?;
    ensure!(role(&before)? == "master", "{before} is named the master and is none");
    kubectl(&["delete", "pod", &before, "--wait=false"])?;
    wait_for("new master, in the eyes of all sentinels", FAILOVER, || {
        let named: Vec<String> = MEMBERS.iter().map(|member| master(member)).collect::<Seen<_>>()?;
        let is_agreed = named[0] != before && named.iter().all(|name| *name == named[0]);
        // The pod may be on its way: not there is another answer than wrong.
        let is_master = is_agreed && role(&named[0]).is_ok_and(|role| role == "master");
        Ok(if is_master { Ok(()) } else { Err(format!("{before} went, now {named:?}")) })
    })
}

fn redis_is_whole() -> Seen {
    let set = get(&["statefulset", "redis"])?;
    ensure!(set["status"]["readyReplicas"] == 3, "StatefulSet redis: {}", set["status"]);
    let master = master("0")?;
    let replication = inside(&master, "REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -p 6379 INFO replication")?;
    ensure!(replication.contains("connected_slaves:2"), "{master}: {replication}");
    MEMBERS.iter().try_for_each(|member| has_quorum(member))
}
