//! The manifests of the trials, small, as people write them.

/// An image with a shell, which every node has.
pub(crate) const DEBIAN: &str = "image: localhost/sandbox/debian:bookworm";
/// A program that runs for ever.
pub(crate) const IDLE: &str = "command: [sleep, infinity]";

const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      $POD
      containers:
      - name: web
        $CONTAINER
";

const MIGRATE: &str = "\
apiVersion: batch/v1
kind: Job
metadata: { name: migrate }
spec:
  $JOB
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      $POD
      containers:
      - name: migrate
        $CONTAINER
";

/// Returns Deployment `web` with one container; `pod` and `container` are lines among their fields.
pub(crate) fn web(pod: &[&str], container: &[&str]) -> String {
    filled(&filled(WEB, "$POD", pod), "$CONTAINER", container)
}

/// Returns Job `migrate` with one container, whose pods are not started again in place.
pub(crate) fn migrate(job: &[&str], pod: &[&str], container: &[&str]) -> String {
    filled(&filled(&filled(MIGRATE, "$JOB", job), "$POD", pod), "$CONTAINER", container)
}

/// Puts lines where a mark stands, as far in as the mark.
fn filled(template: &str, mark: &str, lines: &[&str]) -> String {
    let Some((before, after)) = template.split_once(mark) else { return template.to_owned() };
    let margin = before.rsplit('\n').next().unwrap_or_default();
    match lines {
        [] => format!("{}{}", before.trim_end_matches(' '), after.trim_start_matches('\n')),
        _ => format!("{before}{}{after}", lines.join(&format!("\n{margin}"))),
    }
}

/// Returns the line on which the object is named that a reference like `Deployment/web` means.
pub(crate) fn line_of(objects: &str, reference: &str) -> Option<usize> {
    let (kind, name) = reference.split_once('/')?;
    let mut first = 1;
    for document in objects.split("---\n") {
        let line_with = |key: &str, value: &str| {
            document.lines().position(|line| {
                let found = line.split_once(&format!("{key}: {value}"));
                found.is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with([' ', ',']))
            })
        };
        if let (Some(_), Some(line)) = (line_with("kind", kind), line_with("name", name)) {
            return Some(first + line);
        }
        first += document.lines().count() + 1;
    }
    None
}
