// tayfa submit.
#include "runtime/cli/answer.hpp"
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/job_output.hpp"
#include "runtime/cli/submit_request.hpp"
#include "runtime/cli/submit_wait.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

namespace tayfa {

namespace json = boost::json;

namespace {

/// Writes the pictures to files and puts their paths into the output in their place.
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
      return tl::unexpected(command_error{exit_failed, clean_line(path) + " cannot be written"});
    }
    paths.push_back(path);
  }
  return paths;
}

int show_end(const submit_options& o, const job_id& id, json::object ended, bool streamed) {
  const auto job = read_answer(api::job_fields, ended);
  if (!job) {
    return complain(job.error());
  }
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
    print_json(json::serialize(ended));
  } else if (!paths.empty()) {
    for (const auto& path : paths) {
      print(path + '\n');
    }
  } else if (const auto* const output = ended.if_contains("output"); output && !streamed) {
    print_json(json::serialize(*output));
  }
  if (job->state == job_state::COMPLETED) {
    return exit_ok;
  }
  return complain({exit_failed, "job " + id.str() + " is " + std::string{to_string(job->state)} +
                                    (job->failure ? ": " + printable(job->failure->text) : "")});
}

int wait_and_show(const submit_options& o, const pod_client& pod, const job_id& id,
                  interrupts& signals) {
  bool streamed = false;
  wait_options wait;
  wait.limit = parsed_time(o.timeout).value_or(std::chrono::milliseconds{0});
  wait.quiet = o.quiet;
  if (o.stream) {
    wait.on_chunk = [&streamed, &o](std::string_view chunk) {
      streamed = true;
      print_json(o.at.json ? R"({"output":)" + std::string{chunk} + '}' : std::string{chunk});
    };
  }
  auto ended = wait_for_end(pod, id, wait, signals);
  return ended ? show_end(o, id, std::move(*ended), streamed) : complain(ended.error());
}

int run_submit(const submit_options& o) {
  auto body = run_body(o);
  if (!body) {
    return complain(body.error());
  }
  const pod_client pod = o.at.client();
  // Installed before the job exists: a Ctrl-C during submission cancels it as well.
  std::optional<interrupts> signals;
  if (!o.no_wait) {
    signals.emplace(interrupts::second::leaves);
  }
  const auto accepted = pod.run(std::move(*body));
  const auto id = read_answer(api::accepted_fields, accepted);
  if (!id) {
    return complain(id.error());
  }
  if (o.no_wait) {
    o.at.json ? print_json(accepted->text) : print(id->str() + '\n');
    return exit_ok;
  }
  return wait_and_show(o, pod, *id, *signals);
}

CLI::Validator is_time() {
  return CLI::Validator{[](std::string& text) {
                          return parsed_time(text)
                                     ? std::string{}
                                     : "a time such as 500ms, 30s, 5m or 2h is expected";
                        },
                        "TIME"};
}

void add_policy(CLI::App& cmd, submit_options& o) {
  const std::string group = "The job";
  cmd.add_option("--model", o.model, "the model, of the pod's catalogue")->group(group);
  auto* const priority = cmd.add_option("--priority", o.priority, "0 (may wait) to 9 (urgent)")
                             ->check(CLI::Range(0U, 9U))
                             ->group(group);
  cmd.add_flag("--low-priority", o.low_priority, "the same as --priority 1")
      ->excludes(priority)
      ->group(group);
  cmd.add_option("--tenant", o.tenant, "whose fair share it uses")->group(group);
  cmd.add_option("--deadline", o.deadline, "wanted finished this long from now")
      ->check(is_time())
      ->group(group);
  cmd.add_option("--delay", o.delay, "the job does not start sooner than this")
      ->check(is_time())
      ->group(group);
  cmd.add_option("--ttl", o.ttl, "the job is TIMED_OUT when it has not ended after this")
      ->check(is_time())
      ->group(group);
  cmd.add_option("--execution-timeout", o.execution_timeout,
                 "the job is TIMED_OUT when one attempt runs longer")
      ->check(is_time())
      ->group(group);
  cmd.add_option("--idempotency-key", o.idempotency_key,
                 "a second submission with this key is the same job")
      ->group(group);
  cmd.add_option("--webhook", o.webhook, "a URL that is called when it has ended")->group(group);
}

} // namespace

void add_submit_command(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<submit_options>();
  auto* const cmd = app.add_subcommand("submit", "give a pod a job and wait for its result");
  add_target(*cmd, o->at);
  auto* const file =
      cmd->add_option("file", o->input_file, "a file with the job's input, - for standard input");
  cmd->add_option("--input", o->input, "the job's input: JSON, @file, or - for standard input")
      ->excludes(file);
  cmd->add_option("--image", o->image, "a file that goes into the input as Base64");
  cmd->add_option("--image-name", o->image_name, "the input's name for --image")
      ->capture_default_str();
  cmd->add_option("--output-dir", o->output_dir, "where pictures of the output are written")
      ->capture_default_str();
  auto* const no_wait =
      cmd->add_flag("--no-wait", o->no_wait, "print the job's id and do not wait");
  cmd->add_flag("--stream", o->stream, "print what the job streams, as it comes")
      ->excludes(no_wait);
  cmd->add_flag("--quiet", o->quiet, "print nothing on standard error while it waits");
  cmd->add_option("--timeout", o->timeout, "longest wait; 0 waits for ever; the job goes on")
      ->check(is_time())
      ->capture_default_str();
  add_policy(*cmd, *o);
  cmd->callback([o, &exit_code] { exit_code = run_submit(*o); });
}

} // namespace tayfa
