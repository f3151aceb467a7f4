// The platform of the crash tests: gives jobs, gives them again, stops them, and may receive their
// results. Also the workers that pull their jobs from outside.
#include "tests/unit/core/crash_world.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::testing {

using std::chrono::minutes;
using std::chrono::seconds;

// ---- giving -------------------------------------------------------------------------------------

/// An answer about this job has not left yet.
bool crash_world::is_promised(const std::string& id) const {
  const auto about = [&id](const item& one) {
    const auto* a = std::get_if<answer>(&one);
    return a != nullptr && a->about.str() == id;
  };
  return std::any_of(gathering_.begin(), gathering_.end(), about) ||
         std::any_of(in_flight_.begin(), in_flight_.end(), about);
}

/// Gives a known job again, like a platform that lost track of it, or whose client repeats it.
void crash_world::give_again(const std::string& id) {
  const auto known = ledger_.find(id);
  if (known == ledger_.end() || known->second.request.origin.empty()) {
    return;
  }
  const auto before = table_->inspect(now(), job_id{id});
  if (!before && (!table_->durable(job_id{id}) || is_promised(id))) {
    return; // that it is gone may not be durable, and the ledger would not know which job it means
  }
  entry& e = known->second;
  const bool undelivered_before = table_->webhook_is_pending(job_id{id});
  auto done = table_->submit(now(), job_id{id}, e.request, false);
  if (!done) {
    EXPECT_TRUE(done.error().code == errc::queue_full || done.error().code == errc::quota_exceeded)
        << id << ": " << done.error().str();
    return;
  }
  e.stopped = false;
  ++e.times_given;
  if (done->fresh) {
    EXPECT_FALSE(before) << id;
    std::erase_if(ever_given_, [&](const auto& given) { // numbers of what is over begin anew
      return given.second.job.str() == id &&
             std::none_of(out_.begin(), out_.end(), [&given](const attempt& a) {
               return a.worker == given.first && a.ref == given.second;
             });
    });
    const auto& v = done->view;
    entry again;
    again.request = e.request;
    again.first_of_life = v.attempts - (v.state == job_state::IN_PROGRESS ? 1 : 0);
    e = again;
    gather({job_id{id},
            [this, id] {
              ++tally_.new_again;
              ledger_.at(id).accepted = true;
            },
            [] {}});
  } else if (is_final(done->view.state)) {
    const bool told_again = !undelivered_before;
    EXPECT_TRUE(!told_again || done->view.state == job_state::COMPLETED) << id << " (I8)";
    gather({job_id{id},
            [this, id, told_again, stops = e.stops_asked] {
              tally_.told_again += told_again;
              entry& mine = ledger_.at(id);
              if (told_again && table_->webhook_is_pending(job_id{id})) { // an earlier try may have
                mine.settled = mine.given_up = false;                     // brought it meanwhile
                mine.stops_over = stops;
              }
            },
            [] {}});
  } else if (const auto after = table_->inspect(now(), job_id{id});
             after && after->lives > e.lives + static_cast<std::uint32_t>(e.retrying)) {
    EXPECT_FALSE(undelivered_before)
        << id << " lives again before its last result was delivered (I8)";
    const bool runs = done->view.state == job_state::IN_PROGRESS;
    lives_again(id, done->view.attempts - (runs ? 1 : 0));
  }
  gather(std::move(done->then));
}

void crash_world::lives_again(const std::string& id, std::uint32_t attempts) {
  entry& e = ledger_.at(id);
  e.ended_before = e.retrying == 0 ? e.ended : e.ended_before;
  ++e.retrying;
  gather({job_id{id},
          [this, id, attempts, stops = e.stops_asked] {
            entry& mine = ledger_.at(id);
            ++tally_.lived_again;
            ++mine.lives;
            --mine.retrying;
            mine.first_of_life = attempts;
            mine.final.reset();
            mine.cancelled = mine.settled = mine.given_up = false;
            mine.stops_over = stops;
          },
          [] {}});
  e.ended.reset();
}

/// The platform wants it no more. What is on its way there is dropped, as the pod's side does it.
void crash_world::stop(const std::string& id) {
  const auto known = ledger_.find(id);
  if (known == ledger_.end() || known->second.request.origin.empty()) {
    return;
  }
  auto done = table_->cancel(now(), job_id{id}, true);
  if (!done) {
    return;
  }
  EXPECT_FALSE(table_->webhook_is_pending(job_id{id})) << id << " (I8)";
  const bool cancelled = done->first.state == job_state::CANCELLED;
  known->second.undelivered = false;
  ++known->second.stops_asked;
  std::erase(posts_, id);
  gather(std::move(done->second));
  gather({job_id{id},
          [this, id, cancelled, given = known->second.times_given] {
            entry& mine = ledger_.at(id);
            if (mine.times_given == given) {
              ++tally_.stopped;
              mine.cancelled = mine.cancelled || cancelled;
              mine.stopped = true;
            }
          },
          [] {}});
}

void crash_world::keep(const std::string& id) {
  if (!table_->find(now(), job_id{id})) {
    return;
  }
  const auto time = milliseconds{below(200'000)};
  table_->keep(now(), job_id{id}, time);
  gather({job_id{id},
          [this, id, until = now() + time] {
            ++tally_.kept;
            auto& kept = ledger_.at(id).keep_until;
            kept = std::max(kept.value_or(until), until);
          },
          [] {}});
}

// ---- hearing ------------------------------------------------------------------------------------

void crash_world::told(const deliver_result& o) {
  const auto id = o.view.id.str();
  const auto known = ledger_.find(id);
  ASSERT_NE(known, ledger_.end()) << id << " came from nowhere (I8)";
  entry& e = known->second;
  ++tally_.undelivered;
  EXPECT_EQ(o.origin, e.request.origin) << id;
  EXPECT_FALSE(o.origin.empty()) << id << " has nobody to go to (I8)";
  EXPECT_TRUE(is_final(o.view.state)) << id;
  EXPECT_GE(o.number, 1u) << id;
  EXPECT_GE(o.left.count(), 0) << id;
  EXPECT_FALSE(e.stopped) << id << " is delivered though its platform has stopped it (I8)";
  check_view(id, e, o.view);
  if (table_->webhook_is_pending(o.view.id)) { // else it was stopped meanwhile
    e.undelivered = true;
    if (std::count(posts_.begin(), posts_.end(), id) == 0) { // else it is on its way already
      posts_.push_back(id);
    }
  }
}

void crash_world::answer_post(std::size_t which) {
  const auto id = posts_[which];
  const auto how = below(8);
  if (how == 0) {
    return; // the call hangs
  }
  posts_.erase(posts_.begin() + static_cast<std::ptrdiff_t>(which));
  entry& e = ledger_.at(id);
  if (how <= 3) {
    tally_.refused += how == 1;
    tally_.posted += how != 1;
    e.settled = true;
    e.undelivered = false;
    gather(table_->posted(now(), job_id{id}, true, milliseconds{0}));
    EXPECT_FALSE(table_->webhook_is_pending(job_id{id})) << id;
    return;
  }
  ++tally_.unposted;
  if (how == 4) {
    e.settled = true; // the platform received it, but its answer was lost
    ++tally_.unheard;
  }
  gather(table_->posted(now(), job_id{id}, false,
                        milliseconds{chance(10) ? below(10'000'000) : below(3'000)}));
  if (!table_->webhook_is_pending(job_id{id})) {
    ++tally_.given_up;
    e.given_up = true;
    e.undelivered = false;
    EXPECT_TRUE(e.ended && now() - *e.ended >= minutes{10} - seconds{31})
        << id << " is given up before its time (I8)";
  }
}

/// The outcomes of the posts in flight will never be known.
void crash_world::platform_worker_dies() {
  posts_.clear();
  gather(table_->posts_lost(now()));
}

/// No more faults but those of the platform: one of seven results it never takes.
void crash_world::settle_all_deliveries() {
  for (int round = 0; round < 20'000 && table_->undelivered() > 0 && !::testing::Test::HasFailure();
       ++round) {
    begin_commit();
    end_commit();
    for (std::size_t i = posts_.size(); i-- > 0;) {
      const auto id = posts_[i];
      if (std::hash<std::string>{}(id) % 7 != 0) {
        ledger_.at(id).settled = true;
        ledger_.at(id).undelivered = false;
        ++tally_.posted;
        posts_.erase(posts_.begin() + static_cast<std::ptrdiff_t>(i));
        gather(table_->posted(now(), job_id{id}, true, milliseconds{0}));
        continue;
      }
      posts_.erase(posts_.begin() + static_cast<std::ptrdiff_t>(i));
      gather(table_->posted(now(), job_id{id}, false, milliseconds{0}));
      if (!table_->webhook_is_pending(job_id{id})) {
        ++tally_.given_up;
        ledger_.at(id).given_up = true;
        ledger_.at(id).undelivered = false;
      }
    }
    const auto next = table_->next_deadline();
    pass(next && *next > now() && *next != moment::max()
             ? std::max(std::chrono::ceil<milliseconds>(*next - now()), milliseconds{20'000})
             : milliseconds{1});
    gather(table_->expire(now()));
  }
  EXPECT_EQ(table_->undelivered(), 0u) << "something is undelivered for ever (I8)";
}

// ---- the pod ------------------------------------------------------------------------------------

/// An orderly end: what a platform gave and did not end FAILS, the rest waits for the next start.
void crash_world::stop_and_start() {
  ++tally_.stops;
  gather(table_->hand_back(now()));
  EXPECT_TRUE(table_->origins().empty()) << "nobody will run them (I8)";
  for (int tries = 0; tries < 20 && (batch_ || table_->has_changes()); ++tries) {
    begin_commit();
    end_commit();
  }
  crash(true);
}

// ---- remote workers -----------------------------------------------------------------------------

void crash_world::join_remote(std::uint32_t number) {
  const worker_place at{pull_node, slot_id{number}};
  const auto here = workers_.find(at);
  if (here != workers_.end() && !chance(6)) { // it asks for more or less, or disconnects
    ++tally_.resized;
    auto& f = here->second.facts;
    f.capacity = static_cast<std::uint32_t>(chance(3) ? below(3) : table_->held(at) + below(3));
    f.hand_overs = table_->hand_overs(at) - (chance(4) ? 1 : 0);
    gather(table_->worker_joined(now(), here->second.ref, f));
    return;
  }
  auto f = pulling();
  f.capacity = static_cast<std::uint32_t>(below(3));
  f.batch_max = static_cast<std::uint32_t>(below(4));
  f.device = "theirs";
  f.endpoint = number == 0 ? "e" : (number == 1 ? "e2" : "");
  f.name = "remote " + std::to_string(number);
  f.lease = milliseconds{chance(4) ? 0 : 1'000 + below(4'000)};
  come({at.slot, ++incarnations_, at.node}, f);
}

} // namespace tayfa::testing
