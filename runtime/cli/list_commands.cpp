// tayfa jobs, dead.
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/each_job.hpp"
#include "runtime/cli/job_pages.hpp"
#include "runtime/cli/job_views.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <boost/json/serialize.hpp>
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

namespace tayfa {

namespace json = boost::json;

namespace {

struct list_options {
  target_options at;
  list_filter filter;
  std::size_t limit = 20;
  bool all = false;
};

/// Prints a list page by page, so that a million jobs need no more memory than a page.
class list_printer {
 public:
  explicit list_printer(bool as_json) : as_json_(as_json) {}

  void add(const job_page& page) {
    if (page.jobs.empty()) {
      return;
    }
    if (as_json_) {
      std::string text;
      for (const auto& each : page.sent) {
        text += std::exchange(any_, true) ? "," : "";
        text += json::serialize(each);
      }
      print_open(text);
      return;
    }
    const auto rows = job_rows(page.jobs);
    if (!layout_) {
      layout_.emplace(job_columns(), rows, output_width());
      print(layout_->header());
    }
    print(layout_->lines(rows));
    any_ = true;
  }
  void end(std::uint64_t next) {
    if (as_json_) {
      print_open("");
      print_json("],\"next\":" + (next == 0 ? "null" : std::to_string(next)) + "}");
    } else if (!any_) {
      print("no jobs\n");
    }
  }

 private:
  void print_open(const std::string& text) {
    std::string head = std::exchange(opened_, true) ? "" : R"({"jobs":[)";
    print(head + clean_json(text));
  }

  bool as_json_;
  bool any_ = false;
  bool opened_ = false;
  std::optional<table_layout> layout_;
};

int run_list(const list_options& o, job_pages::list which) {
  const pod_client pod = o.at.client();
  job_pages pages{pod, which, o.filter};
  list_printer out{o.at.json};
  std::size_t left = o.limit;
  do {
    const auto page = pages.next(o.all ? 0 : left);
    if (!page) {
      return complain(page.error());
    }
    out.add(*page);
    left -= std::min(left, page->jobs.size());
  } while (!pages.done() && (o.all || left > 0));
  out.end(pages.after());
  if (!pages.done() && !o.at.json) {
    std::fputs("there are more: --all, or a higher --limit\n", stderr);
  }
  return exit_ok;
}

void add_filter(CLI::App& cmd, list_options& o) {
  cmd.add_option("--state", o.filter.state, "only jobs in this state")
      ->check(CLI::IsMember(
          {"IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}))
      ->transform(CLI::IsMember(
          {"IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"},
          CLI::ignore_case));
  cmd.add_option("--tenant", o.filter.tenant, "only jobs of this tenant");
  cmd.add_option("--model", o.filter.model, "only jobs for this model");
  auto* const limit = cmd.add_option("--limit", o.limit, "at most this many, the newest")
                          ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}))
                          ->capture_default_str();
  cmd.add_flag("--all", o.all, "all of them")->excludes(limit);
}

struct dead_options {
  list_options list;
  std::vector<std::string> ids;
  bool all = false;
};

int run_on_dead(const dead_options& o, job_action action) {
  if (o.all != o.ids.empty()) {
    return complain({exit_usage, "give either the ids of jobs or --all"});
  }
  return for_each_job(o.list.at, o.all ? every_dead_job : job_choice{o.ids}, action);
}

void add_dead_command(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<dead_options>();
  auto* const cmd = app.add_subcommand("dead", "jobs that were given up: list, retry, drop");
  cmd->require_subcommand(0, 1);
  add_target(*cmd, o->list.at);
  auto* const list =
      cmd->add_subcommand("list", "list them (also without this word)")->fallthrough();
  add_filter(*list, o->list);
  auto* const retry = cmd->add_subcommand("retry", "run them again")->fallthrough();
  auto* const drop = cmd->add_subcommand("drop", "forget them")->fallthrough();
  for (auto* const each : {retry, drop}) {
    each->add_option("id", o->ids, "the jobs");
    each->add_flag("--all", o->all, "every job on the list");
  }
  cmd->callback([o, retry, drop, &exit_code] {
    exit_code = *retry  ? run_on_dead(*o, job_action::retry)
                : *drop ? run_on_dead(*o, job_action::drop)
                        : run_list(o->list, job_pages::list::dead);
  });
}

} // namespace

void add_list_commands(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<list_options>();
  auto* const jobs = app.add_subcommand("jobs", "the newest jobs");
  add_target(*jobs, o->at);
  add_filter(*jobs, *o);
  jobs->callback([o, &exit_code] { exit_code = run_list(*o, job_pages::list::jobs); });
  add_dead_command(app, exit_code);
}

} // namespace tayfa
