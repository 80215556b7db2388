//! A sliding window of requests, kept as slots of one sixtieth of it, each with a count and the time of its last
//! request. `core/rate/mod.rs` describes the guarantees.

/// Sixty sixtieths of the window and the one that is being filled.
const SLOTS: usize = 61;
/// The resolution, per slot, of the time of its last request.
const STEPS: u32 = 250;
/// The slots of earlier releases, still used between nodes: eight eighths of the window and the current one.
const COARSE_SLOTS: usize = 9;

/// The age of the last of some requests, in milliseconds, and their number.
pub type Aged = (u32, u16);

/// Requests in the last `WINDOW_MS` milliseconds. Slot 0 is the current one.
#[derive(Clone, Debug)]
pub struct SlidingWindow<const WINDOW_MS: u32> {
    counts: [u16; SLOTS],
    /// per slot: the time of its last request, in steps from the start of the slot
    lasts: [u8; SLOTS],
    /// the elapsed part of the current slot
    phase_ms: u32,
}

impl<const WINDOW_MS: u32> Default for SlidingWindow<WINDOW_MS> {
    fn default() -> Self {
        SlidingWindow { counts: [0; SLOTS], lasts: [0; SLOTS], phase_ms: 0 }
    }
}

impl<const WINDOW_MS: u32> SlidingWindow<WINDOW_MS> {
    const SLOT_MS: u32 = WINDOW_MS / (SLOTS as u32 - 1);
    const STEP_MS: u32 = Self::SLOT_MS / STEPS;
    const COARSE_MS: u32 = WINDOW_MS / (COARSE_SLOTS as u32 - 1);

    /// Advances the time.
    pub fn pass(&mut self, elapsed_ms: u32) {
        let passed_ms = self.phase_ms.saturating_add(elapsed_ms);
        self.phase_ms = passed_ms % Self::SLOT_MS;
        let slots = (passed_ms / Self::SLOT_MS) as usize;
        if slots >= SLOTS {
            self.counts = [0; SLOTS];
            return;
        }
        self.counts.rotate_right(slots);
        self.lasts.rotate_right(slots);
        self.counts.iter_mut().take(slots).for_each(|count| *count = 0);
        let [.., oldest_last] = self.lasts;
        if self.left_ms(SLOTS - 1, oldest_last) == 0
            && let [.., oldest] = &mut self.counts
        {
            *oldest = 0;
        }
    }

    /// The age of a slot's last request.
    fn age_ms(&self, slot: usize, last: u8) -> u32 {
        (self.phase_ms + slot as u32 * Self::SLOT_MS).saturating_sub(u32::from(last) * Self::STEP_MS)
    }

    /// Milliseconds until a slot expires, one window after its last request.
    fn left_ms(&self, slot: usize, last: u8) -> u32 {
        WINDOW_MS.saturating_sub(self.age_ms(slot, last))
    }

    /// The number of requests that count.
    pub fn used(&self) -> u32 {
        self.counts.iter().map(|count| u32::from(*count)).sum()
    }

    /// Counts requests made now.
    pub fn count(&mut self, requests: u32) {
        let [count, ..] = &mut self.counts;
        *count = count.saturating_add(u16::try_from(requests).unwrap_or(u16::MAX));
        let [last, ..] = &mut self.lasts;
        *last = u8::try_from(self.phase_ms / Self::STEP_MS).unwrap_or(u8::MAX);
    }

    /// Milliseconds until another request fits; 0 if it fits now or there is no limit.
    pub fn wait_ms(&self, limit: u32) -> u32 {
        let mut used = self.used();
        if limit == 0 || used < limit {
            return 0;
        }
        for (slot, (count, last)) in self.counts.iter().zip(self.lasts).enumerate().rev() {
            used -= u32::from(*count);
            if used < limit {
                return self.left_ms(slot, last).max(1);
            }
        }
        WINDOW_MS
    }

    // ---- between nodes ----

    /// The requests that count, the newest first.
    pub fn ages(&self) -> Vec<Aged> {
        let slots = self.counts.iter().zip(self.lasts).enumerate().filter(|(_, (count, _))| **count > 0);
        slots.map(|(slot, (count, last))| (self.age_ms(slot, last), *count)).collect()
    }

    /// The same in the slots of earlier releases, the current one first. These treat each slot as if its requests were
    /// as recent as possible.
    pub fn coarse(&self) -> Vec<u16> {
        let mut coarse = vec![0_u16; COARSE_SLOTS];
        for (age_ms, count) in self.ages() {
            if let Some(slot) = coarse.get_mut(age_ms.div_ceil(Self::COARSE_MS) as usize) {
                *slot = slot.saturating_add(count);
            }
        }
        coarse
    }

    /// Converts the slots of an earlier release, assuming that their requests are as recent as possible.
    pub fn from_coarse(coarse: &[u16]) -> Vec<Aged> {
        let slots = coarse.iter().take(COARSE_SLOTS).enumerate().filter(|(_, count)| **count > 0);
        slots.map(|(slot, count)| (slot.saturating_sub(1) as u32 * Self::COARSE_MS, *count)).collect()
    }

    /// Replaces the state by another node's view plus the `unknown` requests that were accepted here and are missing
    /// from it, if the total is larger than what is known here.
    pub fn adopt(&mut self, told: &[Aged], unknown: u32) {
        let sum = told.iter().map(|(_, count)| u32::from(*count)).fold(unknown, u32::saturating_add);
        if sum <= self.used() {
            return;
        }
        (self.counts, self.lasts) = ([0; SLOTS], [0; SLOTS]);
        for (age_ms, count) in told.iter().filter(|(age_ms, _)| *age_ms < WINDOW_MS) {
            let slot = age_ms.saturating_sub(self.phase_ms).div_ceil(Self::SLOT_MS);
            let into_slot_ms = (slot * Self::SLOT_MS + self.phase_ms).saturating_sub(*age_ms);
            let told_last = u8::try_from(into_slot_ms / Self::STEP_MS).unwrap_or(u8::MAX);
            let mut slots = self.counts.iter_mut().zip(&mut self.lasts);
            if let Some((own, last)) = slots.nth(slot as usize) {
                *own = own.saturating_add(*count);
                *last = (*last).max(told_last);
            }
        }
        if unknown > 0 {
            self.count(unknown);
        }
    }
}
