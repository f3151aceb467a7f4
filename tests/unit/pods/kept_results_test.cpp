// Results on a pod's disk: durable when keep() returns, whole or not there, bounded.
#include "runtime/pods/kept_results.hpp"

#include "runtime/store/sim_disk.hpp"

#include <gtest/gtest.h>

namespace tayfa::pods::testing {
namespace {

using store::disk_call;
using store::sim_disk;

attempt_ref attempt(const std::string& job, std::uint32_t number = 1) {
  return {job_id{job}, number};
}

protocol::finished done(const std::string& job, const std::string& output = "1") {
  protocol::finished m;
  m.attempt = attempt(job);
  m.output = shared_text{output};
  m.run_ms = 7;
  return m;
}

std::vector<std::string> found(store::file_system& files) {
  folder_results results{files, "/data/kept"};
  std::vector<std::string> out;
  const auto all = results.open().value();
  for (const auto& each : all) {
    out.push_back(to_string(each.attempt));
  }
  return out;
}

struct disk_with_results {
  sim_disk disk{{.seed = 3}};
  folder_results results{disk.files(), "/data/kept"};
  disk_with_results() {
    disk.make_old_folder("/data");
    EXPECT_TRUE(results.open().value().empty());
  }
  void lose_power() {
    disk.power_loss();
    disk.power_on();
  }
};

TEST(kept_results, what_was_kept_is_there_after_a_power_loss) {
  disk_with_results d;
  ASSERT_TRUE(d.results.keep(done("a", "42")).has_value());
  d.lose_power();
  folder_results again{d.disk.files(), "/data/kept"};
  const auto all = again.open().value();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all.front().attempt, attempt("a"));
  EXPECT_EQ(again.bytes(), all.front().bytes);
  const auto read = again.read(attempt("a"));
  ASSERT_TRUE(read.has_value()) << read.error().text;
  EXPECT_EQ(read->output.view(), "42");
  EXPECT_EQ(read->run_ms, 7U);
}

TEST(kept_results, a_power_loss_in_any_call_leaves_a_whole_result_or_none) {
  int kept = 0, lost = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (std::uint64_t call = 1; call <= 6; ++call) {
      sim_disk disk{{.seed = seed}};
      disk.make_old_folder("/data");
      folder_results results{disk.files(), "/data/kept"};
      ASSERT_TRUE(results.open().has_value());
      disk.lose_power_at(call);
      const bool said = results.keep(done("a", std::string(9'000, 'x'))).has_value();
      disk.power_loss();
      disk.power_on();
      folder_results again{disk.files(), "/data/kept"};
      const auto all = again.open();
      ASSERT_TRUE(all.has_value());
      kept += all->empty() ? 0 : 1;
      lost += all->empty() ? 1 : 0;
      EXPECT_TRUE(!said || !all->empty()) << "seed " << seed << " call " << call;
      if (!all->empty()) {
        EXPECT_TRUE(again.read(attempt("a")).has_value()) << "seed " << seed << " call " << call;
      }
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(lost, 0);
}

TEST(kept_results, a_removed_result_is_gone_and_its_bytes_are_free) {
  disk_with_results d;
  ASSERT_TRUE(d.results.keep(done("a")).has_value());
  ASSERT_TRUE(d.results.keep(done("b")).has_value());
  d.results.remove(attempt("a"));
  EXPECT_EQ(found(d.disk.files()), std::vector<std::string>{to_string(attempt("b"))});
  d.results.remove(attempt("b"));
  EXPECT_EQ(d.results.bytes(), 0U);
}

TEST(kept_results, a_full_disk_is_said_and_leaves_nothing_behind) {
  disk_with_results d;
  d.disk.plan_fault(disk_call::write, 1, ENOSPC);
  EXPECT_EQ(d.results.keep(done("a")).error().code, errc::storage_full);
  EXPECT_TRUE(found(d.disk.files()).empty());
  EXPECT_TRUE(d.results.keep(done("a")).has_value());
}

TEST(kept_results, a_failed_flush_of_the_folder_is_no_success) {
  disk_with_results d;
  d.disk.plan_fault(disk_call::sync_folder, 1, EIO);
  EXPECT_FALSE(d.results.keep(done("a")).has_value());
}

TEST(kept_results, limits_of_bytes_and_count_hold) {
  sim_disk disk{{.seed = 4}};
  disk.make_old_folder("/data");
  folder_results few{disk.files(), "/data/few", {1'000'000, 2}};
  ASSERT_TRUE(few.open().has_value());
  EXPECT_TRUE(few.keep(done("a")).has_value());
  EXPECT_TRUE(few.keep(done("b")).has_value());
  EXPECT_EQ(few.keep(done("c")).error().code, errc::storage_full);
  folder_results small{disk.files(), "/data/small", {1'000, 100}};
  ASSERT_TRUE(small.open().has_value());
  EXPECT_EQ(small.keep(done("a", std::string(2'000, 'x'))).error().code, errc::storage_full);
}

TEST(kept_results, damage_is_found) {
  disk_with_results d;
  ASSERT_TRUE(d.results.keep(done("a", "4242")).has_value());
  d.disk.poke("/data/kept/a.1", 40, 'z');
  EXPECT_EQ(d.results.read(attempt("a")).error().code, errc::store_corrupt);
  EXPECT_EQ(d.results.read(attempt("b")).error().code, errc::not_found);
}

TEST(kept_results, files_of_others_are_left_alone) {
  disk_with_results d;
  ASSERT_TRUE(d.disk.files().write_flushed("/data/kept/notes.txt", "x").has_value());
  ASSERT_TRUE(d.disk.files().write_flushed("/data/kept/job.01", "x").has_value());
  ASSERT_TRUE(d.disk.files().write_flushed("/data/kept/job.1.new", "x").has_value());
  EXPECT_TRUE(found(d.disk.files()).empty());
  EXPECT_TRUE(d.disk.peek("/data/kept/notes.txt").has_value());
  EXPECT_FALSE(d.disk.peek("/data/kept/job.1.new").has_value()) << "an unfinished write is removed";
}

} // namespace
} // namespace tayfa::pods::testing
