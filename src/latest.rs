//! L0: the latest value of something that many wait for, and news of it in the order of those who wait.
//! `tokio::sync::watch` wakes its waiters in random order (its `BigNotify`), so of two runs with one seed each
//! would go on in an order of its own, and none could be replayed.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value, at the one who changes it. Its end ends all waits.
#[derive(Debug)]
pub struct Latest<T: Copy> {
    shared: Arc<Shared<T>>,
}

/// A value, at one of those who read it. A copy has seen what the original has.
#[derive(Clone, Debug)]
pub struct Reader<T: Copy> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// Nobody is left who could change the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value will not change any more")]
pub struct Final;

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// Wakes those who wait in the order in which they began to.
    changed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State<T> {
    value: T,
    /// How often it was changed.
    changes: u64,
    is_final: bool,
}

impl<T: Copy> Latest<T> {
    /// Returns a value that nobody reads yet.
    pub fn new(value: T) -> Self {
        let state = Mutex::new(State { value, changes: 0, is_final: false });
        Self { shared: Arc::new(Shared { state, changed: Notify::new() }) }
    }

    /// Returns a reader who has seen the value as it is.
    pub fn reader(&self) -> Reader<T> {
        let shared = Arc::clone(&self.shared);
        let seen = shared.state().changes;
        Reader { shared, seen }
    }

    /// Returns the value.
    pub fn get(&self) -> T {
        self.shared.state().value
    }

    /// Changes the value and tells everybody, even when it is the same as before.
    pub fn set(&self, value: T) {
        self.shared.change(|state| State { value, changes: state.changes + 1, ..state });
    }
}

impl<T: Copy> Drop for Latest<T> {
    fn drop(&mut self) {
        self.shared.change(|state| State { is_final: true, ..state });
    }
}

impl<T: Copy> Reader<T> {
    /// Returns the value.
    pub fn get(&self) -> T {
        self.shared.state().value
    }

    /// Takes the value as it is for seen.
    pub fn mark_seen(&mut self) {
        self.seen = self.shared.state().changes;
    }

    /// Waits for a change that this reader has not seen.
    ///
    /// # Errors
    /// [`Final`] when there will be none.
    pub async fn changed(&mut self) -> Result<(), Final> {
        let seen = self.seen;
        self.seen = self.shared.wait(|state| state.changes != seen).await?.changes;
        Ok(())
    }

    /// Waits until a value is as wished, and returns it.
    ///
    /// # Errors
    /// [`Final`] when it is not, and never will be.
    pub async fn until(&self, is_wished: impl Fn(T) -> bool) -> Result<T, Final> {
        Ok(self.shared.wait(|state| is_wished(state.value)).await?.value)
    }
}

impl<T: Copy> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // It is replaced whole: a panic leaves none that is half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(State<T>) -> State<T>) {
        {
            let mut state = self.state();
            *state = change(*state);
        }
        self.changed.notify_waiters();
    }

    async fn wait(&self, is_wished: impl Fn(State<T>) -> bool) -> Result<State<T>, Final> {
        loop {
            // Whoever waits is in the line before he looks, else he would miss what comes in between.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let state = *self.state();
            if is_wished(state) {
                return Ok(state);
            }
            if state.is_final {
                return Err(Final);
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;

    use super::{Final, Latest};

    #[tokio::test]
    async fn those_who_wait_are_woken_in_their_order() {
        for _ in 0..20 {
            let (value, woken) = (Latest::new(0), Mutex::new(Vec::new()));
            let wait = async |number: usize| {
                value.reader().until(|value| value > 0).await.unwrap();
                woken.lock().unwrap().push(number);
            };
            let change = async {
                tokio::task::yield_now().await;
                value.set(1);
            };
            futures::future::join(join_all((0..30).map(wait)), change).await;
            assert_eq!(*woken.lock().unwrap(), (0..30).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_change_is_seen_once_by_each_reader() {
        let value = Latest::new(1);
        let mut early = value.reader();
        value.set(2);
        value.set(3);
        let mut late = value.reader();
        assert_eq!((early.changed().await, early.get()), (Ok(()), 3));
        value.set(3);
        assert_eq!((early.changed().await, late.changed().await), (Ok(()), Ok(())));
        value.set(4);
        late.mark_seen();
        drop(value);
        assert_eq!((early.changed().await, late.changed().await), (Ok(()), Err(Final)));
    }

    #[tokio::test]
    async fn what_is_as_wished_is_not_waited_for_and_the_end_ends_a_wait() {
        let value = Latest::new(7);
        let reader = value.reader();
        assert_eq!(reader.until(|value| value == 7).await, Ok(7));
        let end = async { drop(value) };
        let (waited, ()) = futures::future::join(reader.until(|value| value == 8), end).await;
        assert_eq!(waited, Err(Final));
        assert_eq!(reader.until(|value| value == 7).await, Ok(7));
    }
}
