// torch_model's batches: compatible jobs share a pass.
#include "runtime/engine/torch/batching.hpp"
#include "runtime/engine/torch/torch_model.hpp"

#include <algorithm>
#include <new>

namespace tayfa::engine {

namespace {

constexpr std::uint8_t debug_level = 0;

/// Limit of one batch's decoded tensors before some of it runs, and of one pass.
constexpr std::uint64_t tensors_at_once = tensor_limits{}.tensor_bytes;

std::uint64_t bytes_of(const std::vector<host_tensor>& tensors) {
  std::uint64_t sum = 0;
  for (const auto& tensor : tensors) {
    sum += tensor.bytes.size();
  }
  return sum;
}

} // namespace

/// A member whose input is decoded and whose result is pending.
struct torch_model::waiting {
  std::size_t index = 0; ///< in the batch
  decoded_input input;
  std::uint32_t decode_ms = 0;
};

std::vector<result<std::string>> torch_model::run_batch(std::string_view name,
                                                        std::span<const run_member> members) {
  const auto found = models_.find(name);
  if (members.size() < 2 || found == models_.end() || found->second.batch.most < 2) {
    return blocking_model::run_batch(name, members);
  }
  std::vector<result<std::string>> results(members.size(), fail(errc::cancelled));
  std::vector<waiting> decoded;
  std::uint64_t held = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto start = time_->now();
    if (members[i].cancelled.requested()) {
      continue;
    }
    auto input = decode_inputs(found->second.manifest, members[i].input_json);
    if (!input) {
      results[i] = fail(std::move(input.error()));
      continue;
    }
    const auto bytes = bytes_of(input->tensors);
    if (held + bytes > tensors_at_once) {
      run_groups(found->second, members, std::exchange(decoded, {}), results);
      held = 0;
    }
    held += bytes;
    decoded.push_back({i, std::move(*input), ms_since(start)});
  }
  run_groups(found->second, members, std::move(decoded), results);
  return results;
}

/// First fit: a member joins the first compatible group that has room.
void torch_model::run_groups(loaded& model, std::span<const run_member> members,
                             std::vector<waiting> decoded,
                             std::vector<result<std::string>>& results) {
  struct group {
    std::vector<waiting> members;
    std::int64_t batch = 0;
  };
  std::vector<group> groups;
  for (auto& one : decoded) {
    const auto size = one.input.batch.value_or(1);
    const auto fits = [&](const group& g) {
      return g.batch + size <= model.batch.most &&
             fit_together(model.manifest.inputs, g.members.front().input.tensors,
                          one.input.tensors);
    };
    auto into = std::find_if(groups.begin(), groups.end(), fits);
    if (into == groups.end()) {
      into = groups.insert(groups.end(), group{});
    }
    into->batch += size;
    into->members.push_back(std::move(one));
  }
  for (auto& g : groups) {
    run_group(model, members, std::move(g.members), results);
  }
}

void torch_model::run_group(loaded& model, std::span<const run_member> members,
                            std::vector<waiting> group, std::vector<result<std::string>>& results) {
  std::erase_if(group, [&](const waiting& w) { return members[w.index].cancelled.requested(); });
  if (group.size() > 1) {
    const auto start = time_->now();
    auto outputs = joined_pass(model, group);
    if (outputs) {
      const auto forward_ms = ms_since(start);
      for (std::size_t i = 0; i < group.size(); ++i) {
        results[group[i].index] = answer(model, members[group[i].index], group[i], (*outputs)[i],
                                         forward_ms, group.size());
      }
      return;
    }
    if (outputs.error().code == errc::gpu_oom) {
      for (const auto& w : group) {
        results[w.index] = fail(outputs.error());
      }
      return;
    }
    // A member's data, or the combination, is at fault: single passes show which.
  }
  for (auto& w : group) {
    if (members[w.index].cancelled.requested()) {
      continue;
    }
    const auto start = time_->now();
    const auto outputs = pass(model, std::move(w.input.tensors), w.input.batch);
    results[w.index] = outputs ? answer(model, members[w.index], w, *outputs, ms_since(start), 1)
                               : result<std::string>{fail(outputs.error())};
  }
}

/// Runs one pass for all members; returns each one's outputs.
result<std::vector<std::vector<host_tensor>>>
torch_model::joined_pass(loaded& model, const std::vector<waiting>& group) {
  std::vector<std::int64_t> sizes;
  std::int64_t batch = 0;
  for (const auto& w : group) {
    sizes.push_back(w.input.batch.value_or(1));
    batch += sizes.back();
  }
  try {
    const auto& inputs = model.manifest.inputs;
    std::vector<host_tensor> joined;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::vector<const host_tensor*> parts;
      for (const auto& w : group) {
        parts.push_back(&w.input.tensors[i]);
      }
      joined.push_back(inputs[i].batch_axis ? join(parts, *inputs[i].batch_axis) : *parts.front());
    }
    const auto outputs = pass(model, std::move(joined), batch);
    if (!outputs) {
      return fail(outputs.error());
    }
    std::vector<std::vector<host_tensor>> each(group.size());
    for (std::size_t i = 0; i < outputs->size(); ++i) {
      auto parts = split((*outputs)[i], *model.manifest.outputs[i].batch_axis, sizes);
      for (std::size_t k = 0; k < parts.size(); ++k) {
        each[k].push_back(std::move(parts[k]));
      }
    }
    return each;
  } catch (const std::bad_alloc&) {
    return fail(errc::gpu_oom, "the host has not enough memory for this batch");
  }
}

result<std::string> torch_model::answer(const loaded& model, const run_member& member,
                                        const waiting& input,
                                        const std::vector<host_tensor>& outputs,
                                        std::uint32_t forward_ms, std::size_t together) const {
  if (member.cancelled.requested()) {
    return fail(errc::cancelled);
  }
  const auto start = time_->now();
  auto text = encode_outputs(model.manifest, outputs, input.input.format);
  member.events.log(debug_level, "decode_ms=" + std::to_string(input.decode_ms) +
                                     " forward_ms=" + std::to_string(forward_ms) +
                                     " encode_ms=" + std::to_string(ms_since(start)) +
                                     " together=" + std::to_string(together));
  if (member.cancelled.requested()) {
    return fail(errc::cancelled);
  }
  return text;
}

} // namespace tayfa::engine
