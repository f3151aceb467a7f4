// A store is copied into another and back: nothing is lost, nothing is copied twice, and what
// differs is found.
#include "runtime/store/store_copy.hpp"

#include "runtime/store/sqlite_store.hpp"
#include "tests/unit/store/pg/support.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace tayfa::store::testing {
namespace {

struct store_copy_test : with_server {
  temp_folder folder;
  std::string boot = "boot"; ///< of the machine
  std::unique_ptr<job_store> sqlite(const std::string& name) {
    sqlite_store_options o;
    o.folder = folder.path() + "/" + name;
    o.boot = boot;
    return std::make_unique<sqlite_store>(time, std::move(o));
  }
  std::unique_ptr<job_store> database(const std::string& head = "main") {
    auto options = process(head);
    options.head.boot = boot;
    return start(std::move(options));
  }
  store_maker file(const std::string& name) {
    return [this, name] { return sqlite(name); };
  }
  store_maker head(const std::string& name = "main") {
    return [this, name] { return database(name); };
  }

  /// Jobs in every state, with texts of every size, and a number given to one that is gone.
  void fill(job_store& to) {
    calls all{to};
    ASSERT_TRUE(all.open());
    batch jobs;
    for (std::uint64_t i = 1; i <= 40; ++i) {
      auto row = new_row(i);
      row.request.policy.idempotency_key = "key " + std::to_string(i);
      if (i % 8 == 0) {
        row.request.input = shared_text{"\"" + std::string(200'000, 'x') + "\""};
      }
      jobs.emplace_back(accept(row));
      if (i % 4 == 1) {
        jobs.emplace_back(state_of(completed(row, "[" + std::to_string(i) + "]"), part_output));
      } else if (i % 4 == 2) {
        jobs.emplace_back(state_of(completed(row, "\"" + std::string(300'000, 'y') + "\""),
                                   part_output | part_input_released));
      } else if (i % 4 == 3) {
        row.state = job_state::FAILED;
        row.attempts = 3;
        row.failure = error{errc::max_attempts, "three"};
        row.ended = row.submitted + std::chrono::seconds{1};
        row.dead = true;
        row.hook_open = true;
        row.chunks = {shared_text{"1"}, shared_text{"2"}};
        jobs.emplace_back(state_of(row, part_chunks));
      } else if (i % 3 == 0) {
        row.state = job_state::IN_PROGRESS;
        row.attempts = 1;
        row.given = row.submitted + std::chrono::seconds{1};
        jobs.emplace_back(state_of(row));
      }
    }
    jobs.emplace_back(accept(new_row(50)));
    jobs.emplace_back(erase{50});
    ASSERT_TRUE(all.commit(std::move(jobs)));
    all.close();
  }
  result<copy_report> copy(const store_maker& from, const store_maker& to,
                           copy_limits limits = {}) {
    return copy_store(from, to, limits, [](std::size_t) {});
  }
  /// Everything that the store has, as text.
  std::string whole(const store_maker& of) {
    const auto from = of();
    calls all{*from};
    auto found = all.open();
    EXPECT_TRUE(found) << found.error().str();
    std::string out;
    for (auto& row : found->rows) {
      for (const auto column : {job_store::column::input, job_store::column::output}) {
        if (const auto text = all.fetch(row.order, column)) {
          out += std::to_string(text->size()) + " ";
        }
      }
      out += text_of(row) + "\n";
    }
    out += std::to_string(found->last_order);
    all.close();
    return out;
  }
};

TEST_F(store_copy_test, a_file_becomes_a_database_and_a_file_again) {
  fill(*sqlite("one"));
  const auto before = whole(file("one"));
  const auto there = copy(file("one"), head());
  ASSERT_TRUE(there) << there.error().str();
  EXPECT_EQ(there->jobs, 40U);
  EXPECT_EQ(there->unended, 10U);
  EXPECT_EQ(there->found, 0U);
  EXPECT_EQ(there->from, there->to);
  EXPECT_EQ(there->to[0].rows, 40U);
  EXPECT_EQ(there->to[2].rows, 30U);
  EXPECT_EQ(whole(head()), before) << "texts, times and the highest number ever given as well";
  const auto back = copy(head(), file("two"));
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(whole(file("two")), before);
}

TEST_F(store_copy_test, a_copy_that_is_not_read_back_whole_is_no_copy) {
  fill(*sqlite("one"));
  int made = 0;
  const auto forgets = [&] { return sqlite(++made == 1 ? "two" : "three"); };
  const auto done = copy(file("one"), forgets);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::store_corrupt) << done.error().text;
}

TEST_F(store_copy_test, numbers_become_those_of_the_heads_own_range) {
  fill(*sqlite("one"));
  ASSERT_TRUE(calls{*start(process("first"))}.open()); // head 1, which has ended
  query("UPDATE heads SET lease_until = now()");
  const auto done = copy(file("one"), head("second"));
  ASSERT_TRUE(done) << done.error().str();
  EXPECT_EQ(done->from, done->to);
  EXPECT_EQ(query("SELECT count(*) FROM states WHERE job >> 40 = 1"), "40");
  EXPECT_EQ(query("SELECT last_order - (1::bigint << 40) FROM heads WHERE name = 'second'"), "50");
}

TEST_F(store_copy_test, the_job_with_the_highest_number_is_copied_too) {
  {
    auto own = sqlite("one");
    calls all{*own};
    ASSERT_TRUE(all.open());
    ASSERT_TRUE(all.commit({accept(new_row(1)), accept(new_row(2))}));
    all.close();
  }
  const auto done = copy(file("one"), head());
  ASSERT_TRUE(done) << done.error().str();
  EXPECT_EQ(query("SELECT count(*) FROM states"), "2");
}

TEST_F(store_copy_test, an_interrupted_copy_goes_on) {
  fill(*sqlite("one"));
  // The copy ended when it had committed a part.
  ASSERT_TRUE(copy(file("one"), head()));
  query("DELETE FROM states WHERE job > 20");
  query("DELETE FROM requests WHERE job > 20");
  query("DELETE FROM results WHERE job > 20");
  query("DELETE FROM ids WHERE job > 20");
  query("DELETE FROM idempotency WHERE job > 20");
  const auto again = copy(file("one"), head(), {.jobs_at_once = 3});
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(again->found, 20U);
  EXPECT_EQ(again->from, again->to);
}

/// Each store knows the time by another clock then, and they differ by a little.
TEST_F(store_copy_test, an_interrupted_copy_goes_on_after_a_restart_of_the_machine) {
  fill(*sqlite("one"));
  ASSERT_TRUE(copy(file("one"), head()));
  boot = "another";
  const auto again = copy(file("one"), head());
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(again->found, 40U);
}

TEST_F(store_copy_test, a_target_that_was_served_since_is_refused) {
  fill(*sqlite("one"));
  ASSERT_TRUE(copy(file("one"), head()));
  query("UPDATE states SET attempts = attempts + 1 WHERE job = 4");
  const auto again = copy(file("one"), head());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, errc::wrong_state);
  EXPECT_NE(again.error().text.find("job-4"), std::string::npos) << again.error().text;
}

TEST_F(store_copy_test, a_target_with_jobs_of_its_own_is_refused) {
  fill(*sqlite("one"));
  {
    auto own = database();
    calls all{*own};
    ASSERT_TRUE(all.open());
    auto row = new_row(900);
    ASSERT_TRUE(all.commit({accept(row)}));
    all.close();
  }
  const auto done = copy(file("one"), head());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::wrong_state);
}

TEST_F(store_copy_test, a_database_that_another_head_uses_is_refused) {
  fill(*sqlite("one"));
  auto other = start(process("other"));
  ASSERT_TRUE(calls{*other}.open());
  const auto done = copy(file("one"), head());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::wrong_state);
  EXPECT_NE(done.error().text.find("head other"), std::string::npos) << done.error().text;
  EXPECT_EQ(query("SELECT count(*) FROM requests"), "0");
}

TEST_F(store_copy_test, a_store_that_is_served_is_refused) {
  fill(*sqlite("one"));
  auto served = start(process());
  ASSERT_TRUE(calls{*served}.open());
  query("UPDATE heads SET lease_until = now() + interval '1 hour'");
  std::atomic<bool> over = false;
  std::thread renews{[&] { // as its process does all the time
    while (!over) {
      calls{*served}.commit({});
      query("UPDATE heads SET lease_until = lease_until + interval '1 second'");
    }
  }};
  const auto done = copy(file("one"), head());
  over = true;
  renews.join();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::store_locked) << done.error().text;
}

} // namespace
} // namespace tayfa::store::testing
