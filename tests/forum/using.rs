//! A chapter: people use the forum and look at the website, through the cluster's ingress.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::browser::Browser;
use crate::forum::{ADMINISTRATOR, HOST, Post, Thread, Upload, Visitor, WEBSITE_HOST};
use crate::story::{Seen, ensure, step, wait_for};
use crate::{cluster, png};

/// Longest wait until the ingress controller knows a new Ingress: Traefik looks every 2 s.
const INGRESS: Duration = Duration::from_secs(10);
/// Longest wait for a background task.
const TASK: Duration = Duration::from_secs(30);
/// Longest wait until a member may post again: Misago wants 3 s between two posts.
const FLOOD_PROTECTION: Duration = Duration::from_secs(15);
/// The second account's name.
const MEMBER: &str = "visitor";

/// What people have left in the forum.
pub(crate) struct Traces {
    password: String,
    thread: Thread,
    title: String,
    picture: Vec<u8>,
    upload: Upload,
    unread: Vec<Post>,
    author: Visitor,
    member: Visitor,
}

/// Uses the forum and the website for the first time.
pub(crate) fn first_visit() -> Traces {
    step("front page with its style sheets and scripts", || {
        page_with_assets(Visitor::guest().open("/")?.assets(), HOST)
    });
    let password = step("the administrator's password is in its Secret", || {
        let mut secret = cluster::secret("wesago-superuser")?;
        secret.remove("SUPERUSER_PASSWORD").ok_or_else(|| "no SUPERUSER_PASSWORD".to_owned())
    });
    step("a log-in without the CSRF token is refused", || {
        Visitor::guest().log_in_without_token(ADMINISTRATOR, &password)?.expect(403)
    });
    step("a log-in with a wrong password is refused", || {
        Visitor::guest().log_in(ADMINISTRATOR, "not the password")?.expect(400)?.containing("invalid_login")
    });
    let mut author = step("log-in as the administrator", || Visitor::logged_in(ADMINISTRATOR, &password));
    let picture = png::random(200, 150);
    let upload = step("upload of a picture", || author.upload("pixels.png", &picture));
    let title = format!("Pixels of {}", unique_word());
    let thread = step("a thread with the picture", || author.start_thread(&title, &upload));
    let member_password = unique_word();
    let member = step("a second account registers", || Visitor::registered(MEMBER, &member_password));
    let mut traces = Traces { password, thread, title, picture, upload, unread: Vec::new(), author, member };
    step("a guest reads the thread, and the picture byte for byte", || traces.are_there());
    step("the second account's reply notifies the author", || traces.member_replies());
    step("a search finds the thread", || traces.can_be_found());
    step("the administration opens for the superuser", || {
        traces.author.log_in_to_administration(ADMINISTRATOR, &traces.password)?.expect(302)?;
        traces.author.open("/admincp/")?.containing("Dashboard")
    });
    step("the administration stays closed for the second account", || {
        // The form again, instead of a way in.
        let answer = traces.member.log_in_to_administration(MEMBER, &member_password)?.expect(200)?;
        answer.containing("csrfmiddlewaretoken")?.containing("alert-danger")
    });
    step("the website with its style sheets and scripts", || {
        let page = Browser::new(WEBSITE_HOST).get("/")?.expect(200)?.containing("Wesago")?;
        page_with_assets(page.assets(), WEBSITE_HOST)
    });
    traces
}

impl Traces {
    /// The thread and its picture are there for a guest.
    pub(crate) fn are_there(&self) -> Seen {
        let mut guest = Visitor::guest();
        guest.open(&self.thread.url)?.containing(&self.title)?.containing(&self.upload.url)?;
        let fetched = guest.fetch(&self.upload.url)?;
        ensure!(
            fetched.body == self.picture,
            "the picture is another one: {} bytes of {}, {} were sent",
            fetched.body.len(),
            fetched.content_type,
            self.picture.len()
        );
        Ok(())
    }

    /// The administrator's password still opens the door.
    pub(crate) fn log_in_again(&mut self) -> Seen {
        self.author = Visitor::logged_in(ADMINISTRATOR, &self.password)?;
        Ok(())
    }

    /// The second account replies.
    pub(crate) fn member_posts(&mut self) -> Seen {
        let answer = wait_for("reply of the second account", FLOOD_PROTECTION, || {
            let answer = self.member.reply(&self.thread, &format!("I see {}", unique_word()))?;
            Ok(answer.expect(200))
        })?;
        self.unread.push(Post::of(&answer)?);
        Ok(())
    }

    /// A reply of the second account reaches the author as a notification: web, Redis, Celery, database.
    pub(crate) fn member_replies(&mut self) -> Seen {
        // Only the first unread post of a thread is worth a notification to Misago.
        for post in self.unread.drain(..) {
            self.author.read(&self.thread, &post)?;
        }
        let before = self.author.unread_notifications()?;
        ensure!(before.is_empty(), "the author has read everything, and is notified of {before:?}");
        self.member_posts()?;
        wait_for("notification of the author", TASK, || {
            let unread = self.author.unread_notifications()?;
            let told = unread.iter().any(|text| text.contains(MEMBER) && text.contains(&self.title));
            Ok(if told { Ok(()) } else { Err(format!("{unread:?}")) })
        })
    }

    fn can_be_found(&self) -> Seen {
        let word = self.title.rsplit(' ').next().unwrap_or_default();
        let found = Visitor::guest().search(word)?;
        ensure!(
            found.iter().any(|url| url.starts_with(&self.thread.url)),
            "a search for {word} finds {found:?}, not {}",
            self.thread.url
        );
        Ok(())
    }
}

/// Waits until both host names lead somewhere: an ingress controller takes a moment to see a new Ingress.
pub(crate) fn doors_are_open() -> Seen {
    for host in [HOST, WEBSITE_HOST] {
        wait_for(&format!("page of {host}"), INGRESS, || Ok(Browser::new(host).get("/")?.expect(200)))?;
    }
    Ok(())
}

/// Every style sheet and script of a page is there and holds something.
fn page_with_assets(assets: Vec<String>, host: &'static str) -> Seen {
    for ending in [".css", ".js"] {
        ensure!(assets.iter().any(|asset| asset.contains(ending)), "the page names no {ending}: {assets:?}");
    }
    let mut browser = Browser::new(host);
    for asset in assets {
        let answer = browser.get(&asset)?.expect(200)?;
        ensure!(!answer.body.is_empty(), "{asset} is empty");
        let wanted = if asset.contains(".css") { "text/css" } else { "javascript" };
        ensure!(answer.content_type.contains(wanted), "{asset} is of type {}", answer.content_type);
    }
    Ok(())
}

/// Returns a word that nobody has used before.
fn unique_word() -> String {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// Returns the values that only the cluster may know, by key.
pub(crate) fn generated_secrets() -> Seen<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for secret in ["wesago-secrets", "wesago-replication", "wesago-superuser", "wesago-wesago-key"] {
        values.extend(cluster::secret(secret)?);
    }
    Ok(values)
}
