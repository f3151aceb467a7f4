#include "cluster/program/client_commands.hpp"

#include "cluster/program/job_output.hpp"
#include "cluster/program/pod_client.hpp"
#include "runtime/model/base64.hpp"
#include "runtime/world/clock.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <span>
#include <thread>
#include <unistd.h>

namespace tayfa {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t file_bytes_max = std::size_t{64} << 20;
constexpr milliseconds poll_first{20};
constexpr milliseconds poll_longest{1'000};
constexpr int polls_lost_max = 5; ///< failed polls in a row until the pod counts as gone

struct target_options {
  std::string url = "http://127.0.0.1:8000";
  std::string endpoint = "tayfa";
  bool json = false;
};

struct submit_options {
  target_options at;
  std::string input = "{}";
  std::string image;
  std::string image_name = "image";
  std::string output_dir = ".";
  bool no_wait = false;
  double timeout_s = 0; ///< 0 waits for ever
};

int complain(const command_error& e) {
  std::cerr << "tayfa: " << e.text << '\n';
  return e.exit_code;
}

tl::unexpected<command_error> usage(std::string text) {
  return tl::unexpected(command_error{exit_usage, std::move(text)});
}

/// The one place that waits: a client has nothing to be woken by between two polls.
void pause(milliseconds time) {
  std::this_thread::sleep_for(time);
}

// ---- submit: what is sent ----------------------------------------------------------------------

command_result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string text;
  char block[65536];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(in.gcount()));
    if (text.size() > file_bytes_max) {
      return usage(name + " is larger than 64 MiB");
    }
  }
  if (in.bad()) {
    return usage(name + " cannot be read");
  }
  return text;
}

command_result<std::string> read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in || std::filesystem::is_directory(path)) {
    return usage(path + " cannot be read");
  }
  return read_all(in, path);
}

command_result<std::string> input_text(const std::string& given) {
  if (given == "-") {
    return read_all(std::cin, "standard input");
  }
  return given.starts_with('@') ? read_file(given.substr(1)) : command_result<std::string>{given};
}

/// The body of POST /run.
command_result<std::string> run_body(const submit_options& o) {
  const auto text = input_text(o.input);
  if (!text) {
    return tl::unexpected(text.error());
  }
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 64;
  json::value input = json::parse(*text, ec, {}, options);
  if (ec) {
    return usage("the input is not JSON: " + ec.message());
  }
  if (!o.image.empty()) {
    if (!input.is_object()) {
      return usage("with --image the input must be a JSON object");
    }
    const auto bytes = read_file(o.image);
    if (!bytes) {
      return tl::unexpected(bytes.error());
    }
    input.get_object()[o.image_name] = base64_encode(std::as_bytes(std::span{*bytes}));
  }
  return json::serialize(json::object{{"input", std::move(input)}});
}

// ---- submit: what comes back -------------------------------------------------------------------

std::string text_member(const json::object& from, std::string_view name) {
  const auto* const value = from.if_contains(name);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

command_result<job_id> id_of(const json::object& body) {
  auto id = job_id::parse(text_member(body, "id"));
  if (!id) {
    return tl::unexpected(command_error{exit_failed, "the answer has no job id"});
  }
  return std::move(*id);
}

bool has_ended(std::string_view state) {
  return state == "COMPLETED" || state == "FAILED" || state == "CANCELLED" || state == "TIMED_OUT";
}

/// One line that is written over, only where somebody looks at it.
class progress_line {
 public:
  void show(const job_id& id, std::string_view state, milliseconds elapsed) {
    if (shown_) {
      std::fprintf(stderr, "\r\x1b[K%s %s %.1f s", id.str().c_str(), printable(state).c_str(),
                   static_cast<double>(elapsed.count()) / 1000.0);
    }
  }
  ~progress_line() {
    if (shown_) {
      std::fputs("\r\x1b[K", stderr);
    }
  }

 private:
  bool shown_ = ::isatty(STDERR_FILENO) == 1;
};

command_result<json::object> wait_for_end(const pod_client& pod, const job_id& id,
                                          double timeout_s) {
  const system_time clock;
  const moment begin = clock.now();
  milliseconds between = poll_first;
  int lost = 0;
  progress_line line;
  for (;;) {
    auto answer = pod.status(id);
    const bool transient = !answer && answer.error().exit_code == exit_unavailable;
    if (!answer && (!transient || ++lost >= polls_lost_max)) {
      return tl::unexpected(answer.error());
    }
    const auto elapsed = std::chrono::duration_cast<milliseconds>(clock.now() - begin);
    if (answer) {
      lost = 0;
      const std::string state = text_member(answer->body, "status");
      if (has_ended(state)) {
        return std::move(answer->body);
      }
      line.show(id, state, elapsed);
    }
    if (timeout_s > 0 && static_cast<double>(elapsed.count()) >= timeout_s * 1000.0) {
      return tl::unexpected(
          command_error{exit_failed, "job " + id.str() + " has not ended in time; it goes on"});
    }
    pause(between);
    between = std::min(between * 3 / 2, poll_longest);
  }
}

/// Writes the pictures and puts their paths into the output, where the pictures were.
command_result<std::vector<std::string>> save_pictures(const std::string& folder, const job_id& id,
                                                       json::value& output) {
  std::vector<std::string> paths;
  const auto files = take_pictures(id, output);
  std::error_code ec;
  if (!files.empty()) {
    std::filesystem::create_directories(folder, ec);
  }
  for (const auto& file : files) {
    const std::string path = (std::filesystem::path{folder} / file.name).string();
    std::ofstream out{path, std::ios::binary | std::ios::trunc};
    out.write(reinterpret_cast<const char*>(file.bytes.data()),
              static_cast<std::streamsize>(file.bytes.size()));
    out.close();
    if (!out) {
      return tl::unexpected(command_error{exit_failed, path + " cannot be written"});
    }
    paths.push_back(path);
  }
  return paths;
}

int show_end(const submit_options& o, const job_id& id, json::object ended) {
  const std::string state = text_member(ended, "status");
  std::vector<std::string> paths;
  if (auto* const output = ended.if_contains("output")) {
    auto saved = save_pictures(o.output_dir, id, *output);
    if (!saved) {
      return complain(saved.error());
    }
    paths = std::move(*saved);
  }
  if (o.at.json) {
    ended["files"] = json::value_from(paths);
    std::cout << json::serialize(ended) << '\n';
  } else if (!paths.empty()) {
    for (const auto& path : paths) {
      std::cout << path << '\n';
    }
  } else if (const auto* const output = ended.if_contains("output")) {
    std::cout << json::serialize(*output) << '\n';
  }
  if (state == "COMPLETED") {
    return exit_ok;
  }
  const std::string why = text_member(ended, "error");
  return complain({exit_failed, "job " + id.str() + " is " + printable(state) +
                                    (why.empty() ? "" : ": " + printable(why))});
}

int run_submit(const submit_options& o) {
  auto body = run_body(o);
  if (!body) {
    return complain(body.error());
  }
  const pod_client pod{o.at.url, o.at.endpoint};
  const auto accepted = pod.run(std::move(*body));
  if (!accepted) {
    return complain(accepted.error());
  }
  const auto id = id_of(accepted->body);
  if (!id) {
    return complain(id.error());
  }
  if (o.no_wait) {
    std::cout << (o.at.json ? accepted->text : id->str()) << '\n';
    return exit_ok;
  }
  auto ended = wait_for_end(pod, *id, o.timeout_s);
  return ended ? show_end(o, *id, std::move(*ended)) : complain(ended.error());
}

// ---- status, cancel ----------------------------------------------------------------------------

/// "inProgress" -> "in progress".
std::string words_of(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      out += ' ';
      out += static_cast<char>(c + 32);
    } else {
      out += c;
    }
  }
  return printable(out);
}

std::string health_table(const json::object& health) {
  std::string out;
  for (const auto& group : health) {
    if (!group.value().is_object()) {
      continue;
    }
    out += words_of(std::string_view{group.key()}) + '\n';
    for (const auto& row : group.value().get_object()) {
      std::string name = words_of(std::string_view{row.key()});
      name.resize(std::max<std::size_t>(name.size(), 14), ' ');
      std::string value = json::serialize(row.value());
      value.insert(0, value.size() < 10 ? 10 - value.size() : 0, ' ');
      out += "  " + name + value + '\n';
    }
  }
  return out;
}

std::string job_table(const json::object& job) {
  std::string out;
  for (const auto& row : job) {
    std::string name = words_of(std::string_view{row.key()});
    name.resize(std::max<std::size_t>(name.size(), 16), ' ');
    out += name;
    out += row.value().is_string() ? printable(std::string_view{row.value().get_string()})
                                   : json::serialize(row.value());
    out += row.key().ends_with("Time") ? " ms\n" : "\n";
  }
  return out;
}

command_result<job_id> parsed_id(const std::string& text) {
  auto id = job_id::parse(text);
  return id ? command_result<job_id>{std::move(*id)} : usage("\"" + text + "\" is no job id");
}

int run_status(const target_options& at, const std::string& job) {
  const pod_client pod{at.url, at.endpoint};
  command_result<pod_client::reply> answer = usage("");
  if (job.empty()) {
    answer = pod.health();
  } else if (const auto id = parsed_id(job)) {
    answer = pod.status(*id);
  } else {
    return complain(id.error());
  }
  if (!answer) {
    return complain(answer.error());
  }
  if (at.json) {
    std::cout << answer->text << '\n';
  } else {
    std::cout << (job.empty() ? health_table(answer->body) : job_table(answer->body));
  }
  return exit_ok;
}

int run_cancel(const target_options& at, const std::string& job) {
  const auto id = parsed_id(job);
  if (!id) {
    return complain(id.error());
  }
  const auto answer = pod_client{at.url, at.endpoint}.cancel(*id);
  if (!answer) {
    return complain(answer.error());
  }
  const std::string state = text_member(answer->body, "status");
  std::cout << (at.json ? answer->text : id->str() + " " + printable(state)) << '\n';
  return state == "CANCELLED" ? exit_ok : exit_failed;
}

void add_target(CLI::App& cmd, target_options& at) {
  cmd.add_option("--url", at.url, "where the pod listens")->capture_default_str();
  cmd.add_option("--endpoint", at.endpoint, "the endpoint's name")
      ->capture_default_str()
      ->check([](const std::string& name) {
        return job_id::parse(name) ? std::string{} : "\"" + name + "\" is no endpoint's name";
      });
  cmd.add_flag("--json", at.json, "print JSON");
}

void add_submit(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<submit_options>();
  auto* const cmd = app.add_subcommand("submit", "give a pod a job and wait for its result");
  add_target(*cmd, o->at);
  cmd->add_option("--input", o->input, "the job's input: JSON, @file, or - for standard input")
      ->capture_default_str();
  cmd->add_option("--image", o->image, "a file that goes into the input as Base64");
  cmd->add_option("--image-name", o->image_name, "the input's name for --image")
      ->capture_default_str();
  cmd->add_option("--output-dir", o->output_dir, "where pictures of the output are written")
      ->capture_default_str();
  cmd->add_flag("--no-wait", o->no_wait, "print the job's id and do not wait");
  cmd->add_option("--timeout", o->timeout_s, "longest wait in seconds; 0 waits for ever")
      ->check(CLI::NonNegativeNumber);
  cmd->callback([o, &exit_code] { exit_code = run_submit(*o); });
}

} // namespace

void add_client_commands(CLI::App& app, int& exit_code) {
  add_submit(app, exit_code);

  auto at = std::make_shared<target_options>();
  auto job = std::make_shared<std::string>();
  auto* const status = app.add_subcommand("status", "how a pod, or one job, stands");
  add_target(*status, *at);
  status->add_option("id", *job, "the job; without it the pod");
  status->callback([at, job, &exit_code] { exit_code = run_status(*at, *job); });

  auto cancel_at = std::make_shared<target_options>();
  auto cancel_job = std::make_shared<std::string>();
  auto* const cancel = app.add_subcommand("cancel", "cancel a job");
  add_target(*cancel, *cancel_at);
  cancel->add_option("id", *cancel_job, "the job")->required();
  cancel->callback(
      [cancel_at, cancel_job, &exit_code] { exit_code = run_cancel(*cancel_at, *cancel_job); });
}

} // namespace tayfa
