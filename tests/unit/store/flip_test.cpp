// Flips one bit anywhere in a store with known content. Allowed outcomes: it is refused as
// store_corrupt and left unchanged, or one job FAILED with store_corrupt, or everything is as
// before. Never another answer, a missing job, or an undone result.
//
// TAYFA_FLIPS=N flips N bits of each kind of file instead of a few; the table of what came of them
// is printed.
#include "tests/unit/store/support.hpp"

#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

#include <unistd.h>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

namespace fs = std::filesystem;

std::uint64_t flips() {
  const char* const wanted = std::getenv("TAYFA_FLIPS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 150;
}

using contents = std::map<std::string, std::string>; ///< by path within the store's folder

contents files_of(const fs::path& folder) {
  contents out;
  for (const auto& entry : fs::recursive_directory_iterator{folder}) {
    if (entry.is_regular_file()) {
      out[fs::relative(entry.path(), folder).string()] = slurp(entry.path());
    }
  }
  return out;
}

void write_files(const fs::path& folder, const contents& files) {
  fs::remove_all(folder);
  for (const auto& [name, bytes] : files) {
    fs::create_directories((folder / name).parent_path());
    spill(folder / name, bytes);
  }
}

/// The expected content of the store, and its files.
struct known_store {
  std::map<std::uint64_t, job_row> rows;
  std::map<std::uint64_t, std::string> texts; ///< large outputs
  std::uint64_t last_order = 0;
  contents files;
};

struct tally {
  std::size_t refused = 0, right = 0, failed = 0, wrong = 0;
};

class flip : public ::testing::Test {
 protected:
  flip() : folder_(memory_disk() / ("tayfa-flip-" + std::to_string(::getpid()))) {}
  ~flip() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  /// Opening flushes: thousands of times, so not on a real disk where there is another.
  static fs::path memory_disk() {
    std::error_code wrong;
    return fs::is_directory("/dev/shm", wrong) ? fs::path{"/dev/shm"} : fs::temp_directory_path();
  }

  std::unique_ptr<sqlite_store> make() {
    return std::make_unique<sqlite_store>(
        time_,
        sqlite_store_options{.folder = folder_.string(), .boot = "boot", .inline_mode = true});
  }

  static job_row job(std::uint64_t order) {
    auto row = new_row(order);
    row.request.input =
        shared_text{std::string(20 + order % 7 * 1000, static_cast<char>('a' + order % 26))};
    switch (order % 6) {
    case 0: break;
    case 1:
      row = completed(std::move(row), "\"result " + std::string(order * 3, 'r') + "\"");
      break;
    case 2:
      row = completed(std::move(row), "\"with chunks\"");
      row.chunks.assign(3, chunk{"\"part\""});
      break;
    case 3:
      row.state = job_state::FAILED;
      row.ended = row.submitted;
      row.failure = error{errc::job_failed, "as scripted"};
      break;
    case 4: row = completed(std::move(row), std::string(job_store::inline_max + order, 'L')); break;
    default:
      row.request.origin = "p-" + std::to_string(order);
      row.request.webhook = "https://somewhere/";
      row.attempts = 3;
    }
    return row;
  }

  /// Sixty jobs in twenty commits, some of them changed and erased; the last half of it is in the
  /// log when it was not closed.
  known_store fill(bool closed) {
    known_store known;
    write_files(folder_, {});
    auto store = make();
    EXPECT_TRUE((calls{*store, true}.open()));
    for (std::uint64_t order = 1; order <= 60; order += 3) {
      batch changes;
      for (auto next = order; next < order + 3; ++next) {
        known.rows[next] = job(next);
        changes.emplace_back(accept(job(next)));
      }
      if (order > 3 && order % 2 == 0) {
        auto& early = known.rows.at(order - 3);
        early.attempts += 1;
        early.worker = "slot-1";
        changes.emplace_back(state_of(early));
        known.rows.erase(order - 2);
        changes.emplace_back(erase{order - 2});
      }
      EXPECT_TRUE((calls{*store, true}.commit(std::move(changes))));
      if (order == 31) {
        calls{*store, true}.close();
        store = make();
        EXPECT_TRUE((calls{*store, true}.open()));
      }
    }
    known.last_order = 60;
    if (closed) {
      calls{*store, true}.close();
    }
    store.reset();
    known.files = files_of(folder_);
    for (auto& [order, row] : known.rows) {
      row.input_bytes = row.request.input.size();
      row.output_bytes = row.output.size();
      if (row.output_bytes > job_store::inline_max) {
        known.texts[order] = row.output.view();
        row.output = {};
      }
    }
    return known;
  }

  /// The words of what is wrong with a store that was opened; `failed` counts jobs that say that
  /// they are damaged.
  static std::string compare(const known_store& known, const calls& call,
                             const job_store::recovered& found, std::size_t& failed) {
    if (found.rows.size() != known.rows.size() || found.last_order < known.last_order) {
      return "jobs are gone";
    }
    for (const auto& row : found.rows) {
      const auto expected = known.rows.find(row.order);
      if (expected == known.rows.end() || row.id != expected->second.id) {
        return "another job " + std::to_string(row.order);
      }
      if (row.failure && row.failure->code == errc::store_corrupt) {
        ++failed;
        if (row.state != job_state::FAILED || !row.output.empty() || !row.chunks.empty()) {
          return "a damaged job serves something";
        }
        continue;
      }
      if (text_of(row) != text_of(expected->second)) {
        return "found " + text_of(row) + "\nexpected " + text_of(expected->second);
      }
      if (const auto text = known.texts.find(row.order); text != known.texts.end()) {
        const auto read = call.fetch(row.order, job_store::column::output);
        if (!read && read.error().code == errc::store_corrupt) {
          ++failed; // the queue says so of the job
        } else if (!read || read->view() != text->second) {
          return "another text";
        }
      }
    }
    return {};
  }

  std::string flip_one(const known_store& known, const std::string& name, std::uint64_t bit,
                       tally& count) {
    auto files = known.files;
    auto& byte = files.at(name).at(bit / 8);
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    write_files(folder_, files);
    auto store = make();
    const auto opened = calls{*store, true}.open();
    if (!opened) {
      store.reset();
      const auto after = files_of(folder_);
      for (const char* const kept : {"jobs.sqlite", "jobs.sqlite-wal"}) {
        if (after.at(kept) != files.at(kept)) {
          return std::string{"refused, and changed: "} + kept;
        }
      }
      ++count.refused;
      return opened.error().code == errc::store_corrupt ? "" : opened.error().str();
    }
    std::size_t failed = 0;
    auto wrong = compare(known, calls{*store, true}, *opened, failed);
    if (wrong.empty()) {
      wrong = go_on(known, std::move(store), *opened);
    }
    ++(failed > 0 ? count.failed : count.right);
    return failed > 1 ? "one bit, and several jobs are damaged" : wrong;
  }

  /// The store can be written to, and opened again.
  std::string go_on(const known_store& known, std::unique_ptr<sqlite_store> store,
                    const job_store::recovered& opened) {
    batch changes;
    for (const auto& row : opened.rows) {
      if (row.damaged) {
        changes.emplace_back(state_of(row, part_output | part_chunks | part_input_released));
      } else if (row.order % 5 == 0) {
        changes.emplace_back(state_of(row));
      }
    }
    changes.emplace_back(accept(new_row(70)));
    if (const auto done = calls{*store, true}.commit(std::move(changes)); !done) {
      return "a later commit: " + done.error().str();
    }
    store = make();
    const calls call{*store, true};
    auto again = call.open();
    if (!again) {
      return "opened again: " + again.error().str();
    }
    if (again->rows.empty() || again->rows.back().order != 70) {
      return "the new job is gone";
    }
    again->rows.pop_back();
    std::size_t failed = 0;
    return compare(known, call, *again, failed);
  }

  void flip_many(bool closed, const std::string& file) {
    const auto known = fill(closed);
    std::vector<std::string> names;
    for (const auto& [name, bytes] : known.files) {
      if (name.starts_with(file) && (name == file || file == "blobs")) {
        names.push_back(name);
      }
    }
    ASSERT_FALSE(names.empty()) << file;
    std::mt19937_64 random{flips()};
    tally count;
    for (std::uint64_t i = 0; i < flips() && count.wrong < 5; ++i) {
      const auto& name = names[random() % names.size()];
      const auto bit = random() % (known.files.at(name).size() * 8);
      const auto wrong = flip_one(known, name, bit, count);
      if (!wrong.empty()) {
        ++count.wrong;
        ADD_FAILURE() << name << " bit " << bit << ": " << wrong;
      }
    }
    std::cout << "  " << file << (closed ? " (closed)" : " (killed)") << ": " << count.refused
              << " refused, " << count.failed << " FAILED store_corrupt, " << count.right
              << " without effect, " << count.wrong << " wrong\n";
    result_ = count;
  }

  manual_time time_;
  fs::path folder_;
  tally result_;
};

TEST_F(flip, in_the_database) {
  flip_many(true, "jobs.sqlite");
  EXPECT_GT(result_.refused, 0U);
  EXPECT_GT(result_.failed, 0U);
}
TEST_F(flip, in_the_database_beside_a_log) {
  flip_many(false, "jobs.sqlite");
}
TEST_F(flip, in_the_log) {
  flip_many(false, "jobs.sqlite-wal");
  EXPECT_EQ(result_.failed, 0U);
  EXPECT_GT(result_.refused, 0U);
}
TEST_F(flip, in_large_texts) {
  flip_many(true, "blobs");
  EXPECT_EQ(result_.failed, flips());
}
TEST_F(flip, in_the_mark) {
  flip_many(false, "jobs.mark");
  EXPECT_EQ(result_.right, flips());
}

} // namespace
} // namespace tayfa::store::testing
