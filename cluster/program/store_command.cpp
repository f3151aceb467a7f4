#include "cluster/program/store_command.hpp"

#include "actors/supervisor.hpp"
#include "cluster/program/serve_parts.hpp"
#include "runtime/base/random.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/host/signals.hpp"
#include "runtime/store/files.hpp"
#include "runtime/store/pg/postgres_store.hpp"
#include "runtime/store/sqlite_store.hpp"
#include "runtime/store/store_copy.hpp"

#include <cinttypes>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <utility>

namespace tayfa {

namespace {

constexpr int refused = 65; ///< something else has to be done first
constexpr std::size_t note_max = 4'096;
constexpr const char* moved_file = "/moved";

struct copy_options {
  std::string from, to;
  std::string head = "main"; ///< of a database
};

/// A place that jobs are in, as the command line names it.
class place {
 public:
  static result<place> parse(const std::string& text, const std::string& head) {
    place out;
    out.head_ = head;
    if (text == "postgres") {
      const char* const url = std::getenv("TAYFA_STORE_URL");
      if (url == nullptr || *url == '\0') {
        return fail(errc::bad_usage, "\"postgres\" is the database that TAYFA_STORE_URL names, and "
                                     "that is not set");
      }
      out.url_ = url;
    } else if (text.starts_with("postgres://") || text.starts_with("postgresql://")) {
      out.url_ = text;
    } else {
      out.folder_ = text;
      out.shown_ = text;
      return out;
    }
    const auto address = store::pg_address::parse(out.url_);
    if (!address) {
      return fail(errc::bad_usage, address.error().text);
    }
    out.shown_ = address->shown() + ", head " + head;
    return out;
  }

  bool is_database() const { return !url_.empty(); }
  const std::string& shown() const { return shown_; }
  const std::string& folder() const { return folder_; }

  /// Excludes the pod of a data folder.
  result<void> lock(bool makes) {
    if (is_database()) {
      return {};
    }
    std::error_code wrong;
    if (!makes && !std::filesystem::is_regular_file(folder_ + "/store/jobs.sqlite", wrong)) {
      return fail(errc::bad_usage, folder_ + " is no data folder with jobs in it (there is no " +
                                       folder_ + "/store/jobs.sqlite)");
    }
    auto taken = data_folder_lock::acquire(folder_);
    if (!taken) {
      return fail(taken.error());
    }
    lock_.emplace(std::move(*taken));
    return {};
  }

  std::unique_ptr<job_store> make(const time_source& time, random_source& random,
                                  secret_source& secrets) const {
    if (!is_database()) {
      store::sqlite_store_options o;
      o.folder = folder_ + "/store";
      o.watched = {folder_, folder_ + "/lock"};
      return std::make_unique<store::sqlite_store>(time, std::move(o));
    }
    store::postgres_store_options o;
    o.url = url_;
    o.head.name = head_;
    o.head.holder = secrets.uuid();
    o.head.address = "tayfa store copy";
    o.head.boot = store::boot_id_here();
    return std::make_unique<store::postgres_store>(time, random, std::move(o));
  }

 private:
  std::string folder_, url_, head_, shown_;
  std::optional<data_folder_lock> lock_;
};

int refuse(const error& why) {
  std::fprintf(stderr, "tayfa store copy: %s\n",
               why.text.empty() ? why.str().c_str() : why.text.c_str());
  return why.code == errc::wrong_state ? refused : exit_code_for(why.code);
}

void print(const store::copy_report& report, const place& from, const place& to) {
  std::printf("%zu jobs copied (%zu have not ended), %" PRIu64 " bytes of inputs and outputs\n",
              report.jobs, report.unended, report.bytes);
  if (report.found > 0) {
    std::printf("%zu of them had been copied before\n", report.found);
  }
  if (report.damaged > 0) {
    std::printf("%zu of them were damaged, and are FAILED (store_corrupt) in both\n",
                report.damaged);
  }
  std::printf("%-10s %10s  %s\n", "table", "rows", "checksum, of the source and read back");
  for (std::size_t i = 0; i < report.from.size(); ++i) {
    std::printf("%-10s %10" PRIu64 "  %016" PRIx64 " %016" PRIx64 "\n",
                std::string{report.from[i].table}.c_str(), report.from[i].rows, report.from[i].sum,
                report.to[i].sum);
  }
  std::printf("The jobs are in %s now.\n", to.shown().c_str());
  if (from.is_database()) {
    std::printf("Start no pod on %s any more: it would run the same jobs. Remove its tables when "
                "you do not need them (DROP SCHEMA tayfa CASCADE).\n",
                from.shown().c_str());
  } else {
    std::printf("A pod refuses to serve %s from now on, because %s%s is there.\n",
                from.shown().c_str(), from.folder().c_str(), moved_file);
  }
}

/// No pod shall run the same jobs from both places.
result<void> mark(const place& from, const place& to) {
  if (from.is_database()) {
    return {};
  }
  store::local_files files;
  const auto text = "its jobs were copied to " + to.shown();
  auto kept = files.write_flushed(from.folder() + moved_file, text);
  return kept ? files.sync_folder(from.folder()) : kept;
}

int run_copy(const copy_options& o) {
  ::umask(077);
  auto from = place::parse(o.from, o.head);
  auto to = place::parse(o.to, o.head);
  if (!from || !to) {
    return refuse(from ? to.error() : from.error());
  }
  if (from->is_database() && to->is_database()) {
    return refuse({errc::bad_usage, "from a database to a database: use pg_dump"});
  }
  for (auto* const each : {&*from, &*to}) {
    if (auto locked = each->lock(each == &*to); !locked) {
      return refuse(locked.error());
    }
  }
  system_time time;
  seeded_random random;
  system_secrets secrets;
  const auto maker = [&](const place& of) {
    return [&] { return of.make(time, random, secrets); };
  };
  const auto report = store::copy_store(maker(*from), maker(*to), {}, [](std::size_t jobs) {
    if (jobs % 4'096 < 256) {
      std::fprintf(stderr, "%zu jobs\n", jobs);
    }
  });
  if (!report) {
    return refuse(report.error());
  }
  if (auto marked = mark(*from, *to); !marked) {
    return refuse(marked.error());
  }
  print(*report, *from, *to);
  return 0;
}

} // namespace

std::optional<error> moved_away(const std::string& data_folder) {
  const auto path = data_folder + moved_file;
  const auto note = read_file_if_there(path, note_max);
  if (note && !*note) {
    return std::nullopt;
  }
  return error{errc::bad_config, "the jobs in this data folder are not served: " +
                                     (note ? **note : std::string{"a mark is there"}) +
                                     ". To serve them here all the same, when they are served "
                                     "nowhere else, remove " +
                                     path};
}

void add_store_command(CLI::App& app, int& exit_code) {
  auto* const store = app.add_subcommand("store", "Move the jobs of a pod that does not run");
  store->require_subcommand(1);
  auto options = std::make_shared<copy_options>();
  auto* const copy = store->add_subcommand(
      "copy", "Copy all jobs from one store to another, read them back, and compare");
  copy->add_option(
          "from", options->from,
          "A pod's data folder (--data), or a PostgreSQL: its URL, or the word postgres for "
          "the one that TAYFA_STORE_URL names")
      ->required();
  copy->add_option("to", options->to, "Likewise; must hold no jobs")->required();
  copy->add_option("--head", options->head, "The name of the head in the database (store.head)");
  copy->callback([options, &exit_code] { exit_code = run_copy(*options); });
}

} // namespace tayfa
