//! What a person does in the forum, through the same addresses a browser uses. Misago 0.39.

use serde_json::{Value, json};

use crate::browser::{Answer, Browser};
use crate::story::{Seen, ensure};

/// The forum's host name.
pub(crate) const HOST: &str = "wesago.k3s";
/// The website's host name.
pub(crate) const WEBSITE_HOST: &str = "wesago-website.k3s";
/// The first administrator's name, as in the plan.
pub(crate) const ADMINISTRATOR: &str = "wesadmin";
/// Separates the parts of an upload; random pixels hold it as good as never.
const BOUNDARY: &str = "a-boundary-of-the-wesago-end-to-end-test";

/// Somebody with a browser: a guest until logged in.
pub(crate) struct Visitor {
    browser: Browser,
}

/// A file in the forum.
pub(crate) struct Upload {
    id: i64,
    /// Its address.
    pub(crate) url: String,
}

/// A thread.
pub(crate) struct Thread {
    id: i64,
    /// Its address.
    pub(crate) url: String,
}

/// A post of a thread.
pub(crate) struct Post {
    id: i64,
}

impl Post {
    /// Returns the post that an answer to a reply names.
    pub(crate) fn of(answer: &Answer) -> Seen<Self> {
        Ok(Self { id: number(&answer.json()?, "/id")? })
    }
}

impl Visitor {
    /// Returns a guest.
    pub(crate) fn guest() -> Self {
        Self { browser: Browser::new(HOST) }
    }

    /// Returns a member who has logged in.
    pub(crate) fn logged_in(name: &str, password: &str) -> Seen<Self> {
        let mut visitor = Self::guest();
        visitor.log_in(name, password)?.expect(200)?;
        visitor.is_logged_in_as(name)?;
        Ok(visitor)
    }

    /// Returns somebody who has just registered, which logs in too.
    pub(crate) fn registered(name: &str, password: &str) -> Seen<Self> {
        let mut visitor = Self::guest();
        visitor.open("/")?;
        let form = json!({"username": name, "email": format!("{name}@example.org"), "password": password});
        visitor.browser.post_json("/api/users/", &form)?.expect(200)?;
        visitor.is_logged_in_as(name)?;
        Ok(visitor)
    }

    /// Tries to log in.
    pub(crate) fn log_in(&mut self, name: &str, password: &str) -> Seen<Answer> {
        self.open("/")?;
        self.browser.post_json("/api/auth/", &json!({"username": name, "password": password}))
    }

    fn is_logged_in_as(&mut self, name: &str) -> Seen {
        let who = self.open("/api/auth/")?.json()?;
        ensure!(who["username"] == name, "not logged in as {name}: {who}");
        Ok(())
    }

    /// Opens a page, which must be there.
    pub(crate) fn open(&mut self, path: &str) -> Seen<Answer> {
        self.browser.get(path)?.expect(200)
    }

    /// Fetches a file, which must be there, wherever its address leads.
    pub(crate) fn fetch(&mut self, path: &str) -> Seen<Answer> {
        self.browser.follow(path)?.expect(200)
    }

    /// Tries to log in without the token that proves the form is the forum's own.
    pub(crate) fn log_in_without_token(&mut self, name: &str, password: &str) -> Seen<Answer> {
        self.open("/")?;
        ensure!(self.browser.has_cookie("csrftoken"), "the front page sets no cookie csrftoken");
        self.browser.forget_cookie("csrftoken");
        self.browser.post_json("/api/auth/", &json!({"username": name, "password": password}))
    }

    /// Uploads a picture.
    pub(crate) fn upload(&mut self, name: &str, png: &[u8]) -> Seen<Upload> {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"{name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        let body = [head.as_bytes(), png, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer = self.browser.post("/api/attachments/", &content_type, &body)?.expect(200)?.json()?;
        ensure!(answer["is_image"] == true, "the upload is no image: {answer}");
        Ok(Upload { id: number(&answer, "/id")?, url: text(&answer, "/url/index")? })
    }

    /// Starts a thread with a picture, in the first category that allows it.
    pub(crate) fn start_thread(&mut self, title: &str, picture: &Upload) -> Seen<Thread> {
        let categories = self.open("/api/threads/editor/")?.json()?;
        let open = categories.as_array().into_iter().flatten().find(|category| !category["post"].is_null());
        let category = open.ok_or_else(|| format!("no category to post in: {categories}"))?["id"].clone();
        let thread = json!({
            "category": category,
            "title": title,
            "post": format!("A picture nobody has seen before:\n\n![picture]({})", picture.url),
            "attachments": [picture.id],
        });
        let answer = self.browser.post_json("/api/threads/", &thread)?.expect(200)?.json()?;
        Ok(Thread { id: number(&answer, "/id")?, url: text(&answer, "/url")? })
    }

    /// Replies in a thread; the answer names the post.
    pub(crate) fn reply(&mut self, thread: &Thread, post: &str) -> Seen<Answer> {
        let path = format!("/api/threads/{}/posts/", thread.id);
        self.browser.post_json(&path, &json!({"post": post}))
    }

    /// Reads a post, as scrolling over it does.
    pub(crate) fn read(&mut self, thread: &Thread, post: &Post) -> Seen {
        let path = format!("/api/threads/{}/posts/{}/read/", thread.id, post.id);
        self.browser.post_json(&path, &json!({}))?.expect(200)?;
        Ok(())
    }

    /// Returns the unread notifications, as text.
    pub(crate) fn unread_notifications(&mut self) -> Seen<Vec<String>> {
        let answer = self.open("/api/v2/notifications/?filter=unread")?.json()?;
        let results = answer["results"].as_array().ok_or_else(|| format!("notifications: {answer}"))?;
        Ok(results.iter().map(|result| format!("{} {}", result["actorName"], result["message"])).collect())
    }

    /// Returns the addresses of the threads that a search finds.
    pub(crate) fn search(&mut self, word: &str) -> Seen<Vec<String>> {
        let answer = self.open(&format!("/api/search/threads/?q={word}"))?.json()?;
        let threads = answer
            .as_array()
            .and_then(|providers| providers.iter().find(|provider| provider["id"] == "threads"))
            .and_then(|threads| threads["results"]["results"].as_array())
            .ok_or_else(|| format!("the search answered: {answer}"))?;
        threads.iter().map(|result| text(result, "/thread/url")).collect()
    }

    /// Tries to log in to the administration, which asks anew.
    pub(crate) fn log_in_to_administration(&mut self, name: &str, password: &str) -> Seen<Answer> {
        let page = self.open("/admincp/")?.containing("csrfmiddlewaretoken")?.text();
        let token = page
            .split_once("name=\"csrfmiddlewaretoken\" value=\"")
            .and_then(|(_, rest)| rest.split('"').next())
            .ok_or("the administration's log-in form has no token")?;
        let form: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("csrfmiddlewaretoken", token), ("username", name), ("password", password)])
            .finish();
        self.browser.post("/admincp/", "application/x-www-form-urlencoded", form.as_bytes())
    }
}

fn number(answer: &Value, pointer: &str) -> Seen<i64> {
    answer.pointer(pointer).and_then(Value::as_i64).ok_or_else(|| format!("no number {pointer} in {answer}"))
}

fn text(answer: &Value, pointer: &str) -> Seen<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("no text {pointer} in {answer}"))
}
