#include "runtime/engine/torch/torch_model.hpp"

#include <algorithm>
#include <chrono>

namespace tayfa::engine {

namespace {

constexpr std::uint8_t debug_level = 0;

/// TorchScript profiles its first pass and compiles in its second; no job should pay for either.
constexpr int warm_up_passes = 3;

error about(const std::string& model, error why) {
  why.text = "model \"" + model + "\": " + why.text;
  return why;
}

} // namespace

std::string brief_message(std::string_view what) {
  // The TorchScript interpreter prints its trace first and the reason last.
  for (const std::string_view mark : {"\nRuntimeError: ", "\ntorch.jit.Error: "}) {
    if (const auto at = what.rfind(mark); at != std::string_view::npos) {
      what = what.substr(at + mark.size());
      break;
    }
  }
  const auto start = what.find_first_not_of(" \t\r\n");
  what = start == std::string_view::npos ? std::string_view{} : what.substr(start);
  what = what.substr(0, what.find_first_of("\r\n"));
  std::string out;
  for (const char c : what.substr(0, 300)) {
    out += c >= ' ' && c < 127 ? c : '?';
  }
  return out.empty() ? "no reason given" : out;
}

std::uint32_t torch_model::ms_since(moment start) const {
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(time_->now() - start).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(passed, 0));
}

result<std::vector<host_tensor>> torch_model::pass(loaded& model, std::vector<host_tensor> inputs,
                                                   std::optional<std::int64_t> batch) {
  axis_sizes sizes;
  if (auto even = check_axes(model.manifest.inputs, shapes_of(inputs), sizes, errc::bad_input);
      !even) {
    return fail(std::move(even.error()));
  }
  auto outputs = model.code->forward(std::move(inputs));
  if (!outputs) {
    return outputs;
  }
  const auto& specs = model.manifest.outputs;
  if (outputs->size() != specs.size()) {
    return fail(errc::job_failed, "the model gave " + std::to_string(outputs->size()) +
                                      " outputs, its manifest promises " +
                                      std::to_string(specs.size()));
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto& output = (*outputs)[i];
    if (auto right = check_tensor(specs[i], output.type, output.shape, errc::job_failed); !right) {
      return fail(std::move(right.error()));
    }
  }
  const auto shapes = shapes_of(*outputs);
  if (auto even = check_batch(specs, shapes, batch, errc::job_failed); !even) {
    return fail(std::move(even.error()));
  }
  if (auto even = check_axes(specs, shapes, sizes, errc::job_failed); !even) {
    return fail(std::move(even.error()));
  }
  return outputs;
}

result<void> torch_model::warm_up_with(loaded& model, const std::vector<host_tensor>& inputs) {
  const auto batch =
      check_batch(model.manifest.inputs, shapes_of(inputs), std::nullopt, errc::model_invalid);
  if (!batch) {
    return fail(batch.error());
  }
  for (int i = 0; i < warm_up_passes; ++i) {
    const auto outputs = pass(model, inputs, *batch);
    if (!outputs) {
      const auto& why = outputs.error();
      const bool of_model = why.code == errc::job_failed || why.code == errc::bad_input;
      return fail(of_model ? errc::model_invalid : why.code, "the warm-up failed: " + why.text);
    }
  }
  return {};
}

/// Runs the manifest's example, or made-up numbers: zeros, and ones where an operator rejects zeros
/// (lengths, probabilities). If the model's own code raises, no other numbers are tried: it
/// requires something of its input that cannot be guessed.
result<void> torch_model::warm_up(loaded& model) {
  if (!model.manifest.example.empty()) {
    auto input = decode_inputs(model.manifest, model.manifest.example);
    if (!input) {
      return fail(errc::model_invalid, "manifest: example: " + input.error().text);
    }
    return warm_up_with(model, input->tensors);
  }
  result<void> passed;
  for (const double value : {0.0, 1.0}) {
    passed = warm_up_with(model, made_up_inputs(model.manifest, value));
    if (passed || passed.error().code != errc::model_invalid || model.code->raised()) {
      break;
    }
  }
  if (!passed && passed.error().code == errc::model_invalid) {
    passed.error().text +=
        " (the inputs were made up; \"example\" in the manifest brings real ones)";
  }
  return passed;
}

/// The granted manifest, or the one next to the file if the file was replaced since the catalogue
/// was read.
result<std::pair<model_manifest, model_file>>
torch_model::open(const protocol::load_model& wanted) const {
  auto manifest = parse_manifest(wanted.manifest);
  if (!manifest) {
    return fail(std::move(manifest.error()));
  }
  if (manifest->name != wanted.model) {
    return fail(errc::model_invalid, "its manifest names another one");
  }
  auto file = model_file::open(wanted.path);
  if (!file) {
    return fail(std::move(file.error()));
  }
  const auto right = file->matches(*manifest);
  if (right) {
    return std::pair{std::move(*manifest), std::move(*file)};
  }
  const auto now = inspect_model(wanted.path);
  auto newer = now ? parse_manifest(now->manifest) : result<model_manifest>{fail(now.error())};
  auto again = model_file::open(wanted.path);
  if (!newer || !again || newer->name != wanted.model || !again->matches(*newer)) {
    return fail(right.error());
  }
  return std::pair{std::move(*newer), std::move(*again)};
}

result<blocking_model::load_report> torch_model::load(const protocol::load_model& wanted) {
  const auto start = time_->now();
  auto opened = open(wanted);
  if (!opened) {
    return fail(about(wanted.model, opened.error()));
  }
  auto& [manifest, file] = *opened;
  auto code = backend_->load(manifest, file);
  if (!code) {
    return fail(about(wanted.model, code.error()));
  }
  if (!file.unchanged()) {
    return fail(errc::model_invalid,
                "model \"" + wanted.model + "\": the file was changed while it was loaded");
  }
  load_report report;
  for (const auto& text : code->warnings) {
    report.warnings.push_back("model \"" + wanted.model + "\": " + text);
  }
  const auto batch = bounds_of_batch(manifest);
  loaded model{std::move(manifest), std::move(code->code), batch};
  report.load_ms = ms_since(start);
  const auto warm = time_->now();
  if (const auto passed = warm_up(model); !passed) {
    return fail(about(wanted.model, passed.error()));
  }
  report.warm_up_ms = ms_since(warm);
  models_.insert_or_assign(wanted.model, std::move(model));
  batch_max_ =
      static_cast<std::uint32_t>(std::min<std::int64_t>(members_max, batch.most / batch.least));
  return report;
}

result<std::string> torch_model::run(std::string_view name, std::string_view input_json,
                                     const cancel_token& cancel, run_events& events) {
  const auto found = models_.find(name);
  if (found == models_.end()) {
    return fail(errc::model_not_found, "this engine has not loaded the job's model");
  }
  auto& model = found->second;
  const auto stopped = [&cancel] { return cancel.requested(); };
  const auto start = time_->now();
  if (stopped()) {
    return fail(errc::cancelled);
  }
  auto input = decode_inputs(model.manifest, input_json);
  if (!input) {
    return fail(std::move(input.error()));
  }
  if (stopped()) {
    return fail(errc::cancelled);
  }
  const auto decoded = time_->now();
  const auto decode_ms = ms_since(start);
  const auto outputs = pass(model, std::move(input->tensors), input->batch);
  if (!outputs) {
    return fail(outputs.error());
  }
  if (stopped()) {
    return fail(errc::cancelled);
  }
  const auto computed = time_->now();
  const auto run_ms = ms_since(decoded);
  auto text = encode_outputs(model.manifest, *outputs, input->format);
  if (stopped()) {
    return fail(errc::cancelled);
  }
  events.log(debug_level, "decode_ms=" + std::to_string(decode_ms) +
                              " forward_ms=" + std::to_string(run_ms) +
                              " encode_ms=" + std::to_string(ms_since(computed)));
  return text;
}

} // namespace tayfa::engine
