//! A forecast as text: painted for a terminal, readable without colours.

use super::hunks::{Line, Shown, Sign, shown};
use super::{Heading, counts, headline, remarks, word};
use crate::difference::Told;
use crate::event::{Forecast, ObjectForecast, Prospect};
use crate::plan::StageId;
use crate::report::ink::Ink;
use crate::report::words::count;

/// Returns a forecast as text, painted; ends with a line end.
pub fn forecast_text(heading: Heading<'_>, forecast: &Forecast) -> String {
    let head = headline(heading, forecast);
    let head = if forecast.is_nothing() { Ink::Good.paint(&head) } else { Ink::Strong.paint(&head) };
    let mut lines = vec![head];
    lines.extend(forecast_lines(forecast, true));
    lines.join("\n") + "\n"
}

/// Returns the line of a deploy about what it will do, painted.
pub(in crate::report) fn foreseen_headline(forecast: &Forecast) -> String {
    if forecast.is_nothing() {
        let objects = count(forecast.unchanged, "object");
        return Ink::Good.paint(&format!("nothing to write: {objects} proven unchanged"));
    }
    Ink::Strong.paint(&counts(forecast))
}

/// Returns the lines about what somebody should know before it happens: what goes, what runs again, which
/// pods roll.
pub fn forecast_notices(forecast: &Forecast) -> Vec<String> {
    let matters = |object: &&ObjectForecast| {
        matches!(object.prospect, Prospect::Delete | Prospect::Recreate | Prospect::Keep | Prospect::LetGo)
            || !object.rolls.is_empty()
    };
    forecast.objects.iter().filter(matters).flat_map(|object| object_lines(object, false)).collect()
}

/// Returns the lines about the objects of a forecast, painted, with their fields or without.
pub fn forecast_lines(forecast: &Forecast, with_fields: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut stage = None;
    for object in &forecast.objects {
        let own = object.stage.as_ref().map(StageId::as_str);
        if stage != Some(own) {
            stage = Some(own);
            let name = own.map_or_else(|| "beside the stages".to_owned(), |own| format!("stage {own}"));
            lines.extend([String::new(), Ink::Quiet.paint(&name)]);
        }
        lines.extend(object_lines(object, with_fields));
    }
    lines
}

fn object_lines(object: &ObjectForecast, with_fields: bool) -> Vec<String> {
    let (sign, ink) = match object.prospect {
        Prospect::Create => ("+", Ink::Good),
        Prospect::Configure | Prospect::Write => ("~", Ink::Notice),
        Prospect::Recreate => ("±", Ink::Notice),
        Prospect::Delete => ("-", Ink::Bad),
        Prospect::Keep | Prospect::LetGo => ("=", Ink::Quiet),
        Prospect::Fail => ("!", Ink::Bad),
    };
    let name = Ink::Strong.paint(&object.object.to_string());
    let mut lines = vec![format!("{} {name} {}", ink.paint(sign), ink.paint(word(object.prospect)))];
    let below = |text: &String| format!("    {}", text.replace('\n', "\n    "));
    lines.extend(remarks(object).iter().map(below));
    if with_fields {
        lines.extend(object.fields.iter().flat_map(field_lines));
    }
    lines
}

fn field_lines(told: &Told) -> Vec<String> {
    let field = &told.field;
    let gone = |text: &str| Ink::Bad.paint(text);
    let new = |text: &str| Ink::Good.paint(text);
    match shown(told) {
        Shown::Inline(Some(before), Some(after)) => {
            vec![format!("    {field}: {} → {}", gone(&before), new(&after))]
        }
        Shown::Inline(None, Some(after)) => vec![format!("    {} {field}: {}", new("+"), new(&after))],
        Shown::Inline(before, _) => {
            vec![format!("    {} {field}: {}", gone("-"), gone(&before.unwrap_or_default()))]
        }
        Shown::Lines(lines) => {
            let sign = match (&told.before, &told.after) {
                (None, _) => format!("{} ", new("+")),
                (_, None) => format!("{} ", gone("-")),
                _ => String::new(),
            };
            let head = format!("    {sign}{field}:");
            std::iter::once(head).chain(lines.iter().map(painted)).collect()
        }
    }
}

fn painted(line: &Line) -> String {
    let (sign, ink, mark) = match line.sign {
        Sign::Same => (" ", Ink::Quiet, Ink::Quiet),
        Sign::Gone => ("-", Ink::Bad, Ink::BadMark),
        Sign::New => ("+", Ink::Good, Ink::GoodMark),
        Sign::Skipped => return format!("      {}", Ink::Quiet.paint("…")),
    };
    let pieces = line.pieces.iter().map(|(differs, piece)| if *differs { mark } else { ink }.paint(piece));
    format!("      {}{}", ink.paint(sign), pieces.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HEADING, forecast, nothing};
    use super::forecast_text;

    #[test]
    fn without_colours() {
        let text = anstream::adapter::strip_str(&forecast_text(HEADING, &forecast())).to_string();
        insta::assert_snapshot!(text, @r#"
        shop: 1 refused, 1 to delete, 1 to recreate, 2 to create, 3 to configure, 1 kept, 30 unchanged

        beside the stages
        + Secret/shop-env created
            a value is made for `PASSWORD`

        stage base
        ~ ConfigMap/settings configured
            .data.mode: "fast" → "slow"
            .data.site:
               listen 80;
              -server_name shop.example;
              +server_name store.example;
            - .data.old: "1"
        ~ Secret/web configured
            .data.KEY: <hidden 0a1b2c> → <hidden 3d4e5f>

        stage migrate
        ± Job/migrate recreated
            runs again: it failed

        stage web
        ~ Deployment/web configured
            its pods roll: ConfigMap/settings changes in `mode`
            warning: spec.x is deprecated
            .spec.replicas: 2 → 3
            + .spec.paused: false
        ! Deployment/big refused
            exceeded quota: small, requested: pods=3
        + Widget/one created
            unverified: the cluster does not know the kind Widget yet

        beside the stages
        - Service/old deleted
            it is no longer in the plan
        = PersistentVolumeClaim/data kept
            it is no longer in the plan, but a volume of 1Gi; --delete-data removes it
        "#);
    }

    #[test]
    fn with_colours() {
        let text = forecast_text(HEADING, &forecast());
        insta::assert_snapshot!(text.replace('\u{1b}', "^").lines().take(12).collect::<Vec<_>>().join("\n"), @r#"
        ^[1mshop: 1 refused, 1 to delete, 1 to recreate, 2 to create, 3 to configure, 1 kept, 30 unchanged^[0m

        ^[2mbeside the stages^[0m
        ^[32m+^[0m ^[1mSecret/shop-env^[0m ^[32mcreated^[0m
            a value is made for `PASSWORD`

        ^[2mstage base^[0m
        ^[33m~^[0m ^[1mConfigMap/settings^[0m ^[33mconfigured^[0m
            .data.mode: ^[31m"fast"^[0m → ^[32m"slow"^[0m
            .data.site:
              ^[2m ^[0m^[2mlisten 80;^[0m
              ^[31m-^[0m^[31mserver_name ^[0m^[1;4;31mshop.example;^[0m
        "#);
    }

    #[test]
    fn of_nothing_to_do() {
        let text = anstream::adapter::strip_str(&forecast_text(HEADING, &nothing())).to_string();
        insta::assert_snapshot!(text, @"shop: a deploy would change nothing (31 objects unchanged)");
    }
}
