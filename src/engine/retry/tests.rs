//! What is tried again, how often, and what is not.

use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Attempt, Tools, UNTOLD};
use crate::cluster::{ApiError, Circumstances, Cluster, Refusal};
use crate::latest::Latest;

/// Tools whose cluster is never asked: the tests bring their own answers.
fn tools(attempts: mpsc::Sender<Attempt>, cancelled: &Latest<bool>) -> Tools {
    Tools {
        cluster: Cluster::silent(),
        attempts,
        cancelled: cancelled.reader(),
        stage: None,
        writes_until: Latest::new(None).reader(),
        patience: Duration::MAX,
        deadline: None,
        circumstances: Circumstances::default(),
        seed: 1,
    }
}

fn refused(code: u16) -> ApiError {
    ApiError::Refused(Refusal { code, message: "no".into(), ..Refusal::default() })
}

/// Returns what came of a request that is answered by `answers`, one after the other and the last one
/// again and again, and what was told of its tries.
async fn persist(
    answers: Vec<Result<u8, ApiError>>,
    change: impl FnOnce(&mut Tools),
) -> (Result<u8, ApiError>, Vec<Attempt>, Duration) {
    let (sender, mut receiver) = mpsc::channel(UNTOLD);
    let cancelled = Latest::new(false);
    let mut tools = tools(sender, &cancelled);
    change(&mut tools);
    let began = Instant::now();
    let mut tries = 0;
    let send = async move {
        let answer = || {
            tries += 1;
            std::future::ready(answers[(tries - 1).min(answers.len() - 1)].clone())
        };
        let result = tools.persist("apply x", answer).await;
        drop(tools);
        result
    };
    let listen = async {
        let mut told = Vec::new();
        while let Some(attempt) = receiver.recv().await {
            told.push(attempt);
        }
        told
    };
    let (result, told) = futures::future::join(send, listen).await;
    (result, told, began.elapsed())
}

fn gave_up(result: Result<u8, ApiError>) -> (u32, Duration, ApiError) {
    match result {
        Err(ApiError::GaveUp { tries, took, error }) => (tries, took, *error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_is_told_and_survived() {
    let (result, told, _) = persist(vec![Err(refused(503)), Err(refused(503)), Ok(7)], |_| {}).await;
    assert_eq!(result, Ok(7));
    assert_eq!(told.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert!(told[0].retry_in < told[1].retry_in, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_final_answer_is_not_asked_twice() {
    let (result, told, _) = persist(vec![Err(refused(422))], |_| {}).await;
    assert_eq!((result, told.len()), (Err(refused(422)), 0));
}

#[tokio::test(start_paused = true)]
async fn a_final_answer_after_a_passing_fault_is_told_as_it_is() {
    let (result, told, _) = persist(vec![Err(refused(503)), Err(refused(422))], |_| {}).await;
    assert_eq!((result, told.len()), (Err(refused(422)), 1));
}

#[tokio::test(start_paused = true)]
async fn a_lasting_fault_ends_with_its_budget_and_tells_what_was_tried() {
    let (result, told, elapsed) = persist(vec![Err(refused(503))], |_| {}).await;
    let (tries, took, error) = gave_up(result);
    assert_eq!((error, took), (refused(503), elapsed));
    assert_eq!(tries as usize, told.len() + 1);
    assert!(took > Duration::from_secs(90) && took <= Duration::from_secs(120), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_tried_stands_behind_the_cause() {
    let after = Duration::from_millis(4_250);
    let error = ApiError::GaveUp { tries: 5, took: after, error: Box::new(refused(503)) };
    assert_eq!(error.to_string(), "no (5 tries in 4.2 s)");
    let error = ApiError::GaveUp { tries: 15, took: after * 20, error: Box::new(refused(503)) };
    assert_eq!(error.to_string(), "no (15 tries in 85 s)");
}

#[tokio::test(start_paused = true)]
async fn a_count_of_tries_ends_them_too() {
    let (result, _, took) = persist(vec![Err(refused(500))], |_| {}).await;
    assert_eq!(gave_up(result).0, 3);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_cause_has_a_budget_of_its_own() {
    let mishap = || Err(refused(500));
    let answers = vec![mishap(), mishap(), Err(refused(503)), mishap(), mishap(), Err(refused(409)), Ok(1)];
    assert_eq!(persist(answers, |_| {}).await.0, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_race_is_tried_again_without_a_pause() {
    let (result, told, took) = persist(vec![Err(refused(409)), Ok(1)], |_| {}).await;
    assert_eq!((result, told.len(), took), (Ok(1), 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_servers_wish_outranks_our_own_pause() {
    let wish = Duration::from_secs(40);
    let busy = ApiError::Refused(Refusal { code: 429, retry_after: Some(wish), ..Refusal::default() });
    let (result, told, took) = persist(vec![Err(busy), Ok(1)], |_| {}).await;
    assert_eq!((result, told[0].retry_in, took), (Ok(1), wish, wish));
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_until_the_stage_has_no_time_left() {
    let busy = || vec![Err(refused(429))];
    let limit = Duration::from_secs(900);
    let (result, _, took) = persist(busy(), |tools| tools.deadline = Some(Instant::now() + limit)).await;
    assert_eq!(gave_up(result).2, refused(429));
    assert!(took <= limit && took + Duration::from_secs(30) > limit, "{took:?}");
    let (result, _, took) = persist(busy(), |_| {}).await;
    assert_eq!(gave_up(result).2, refused(429));
    assert!(took <= Duration::from_secs(300), "without a stage there is a limit, too: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_this_run_brings_is_waited_for() {
    let unknown = || ApiError::UnknownKind { api_version: "example.org/v1".into(), kind: "Widget".into() };
    let answers = || vec![Err(unknown()), Err(unknown()), Ok(1)];
    assert_eq!(persist(answers(), |_| {}).await.0, Err(unknown()));
    let brings = Circumstances { brings_kind: true, ..Circumstances::default() };
    assert_eq!(persist(answers(), |tools| tools.circumstances = brings).await.0, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_outlasts_the_lock_is_sent_again_once_the_lock_is_renewed() {
    let (sender, _receiver) = mpsc::channel(UNTOLD);
    let cancelled = Latest::new(false);
    let began = Instant::now();
    let valid = Latest::new(Some(began + Duration::from_secs(10)));
    let tools = Tools { writes_until: valid.reader(), ..tools(sender, &cancelled) };
    let mut sent_at = Vec::new();
    // What a request does while nobody answers, or while its process is stopped.
    let write = tools.persist_write("x", || {
        sent_at.push(began.elapsed().as_secs());
        tokio::time::sleep(Duration::from_secs(12)).map(|()| Ok(7))
    });
    let renewal = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        valid.set(Some(began + Duration::from_secs(60)));
    };
    let (result, ()) = futures::future::join(write, renewal).await;
    assert_eq!((result, sent_at), (Ok(7), vec![0, 30]));
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_a_lost_lock_no_longer_than_its_patience() {
    let (sender, _receiver) = mpsc::channel(UNTOLD);
    let cancelled = Latest::new(false);
    let valid = Latest::new(Some(Instant::now()));
    let tools = Tools {
        writes_until: valid.reader(),
        patience: Duration::from_secs(20),
        ..tools(sender, &cancelled)
    };
    let mut asked = 0;
    let answer = || {
        asked += 1;
        std::future::ready(Ok(()))
    };
    assert_eq!(tools.persist_write("x", answer).await, Err(ApiError::LockLost));
    assert_eq!(asked, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_begins_no_request() {
    let (sender, _receiver) = mpsc::channel(UNTOLD);
    let cancelled = Latest::new(true);
    let mut asked = 0;
    let answer = || {
        asked += 1;
        std::future::ready(Ok(()))
    };
    let result = tools(sender, &cancelled).persist("x", answer).await;
    assert_eq!((result, asked), (Err(ApiError::Interrupted), 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_sits_out_no_pause() {
    let (sender, _receiver) = mpsc::channel(UNTOLD);
    let cancel = Latest::new(false);
    let tools = tools(sender, &cancel);
    let began = Instant::now();
    let send = tools.persist("x", || std::future::ready(Err::<(), _>(refused(503))));
    let (result, ()) = futures::future::join(send, async { cancel.set(true) }).await;
    assert_eq!(result, Err(ApiError::Interrupted));
    assert_eq!(began.elapsed(), Duration::ZERO);
}
