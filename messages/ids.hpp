// Names of things: strong types so that a job id is never passed where a slot is meant.
//
// Everything here is a plain value. Ids arrive from outside (HTTP paths, engine frames), so each
// has one validity rule, and parse() is the only way in for untrusted text.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace tayfa {

/// A client's unit of work. Opaque text of 1..128 characters out of [A-Za-z0-9._-]
/// (RunPod's own ids, such as `sync-<uuid>-u1`, are of this form).
class job_id {
 public:
  static constexpr std::size_t max_length = 128;

  job_id() = default;
  /// For ids we made ourselves or have parsed before.
  explicit job_id(std::string text) : text_(std::move(text)) {}

  /// The id in `text`, or nothing when it breaks the rule above.
  static std::optional<job_id> parse(std::string_view text);

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const job_id&) const = default;

 private:
  std::string text_;
};

/// A place where one engine process runs: GPU i, or CPU slot i.
struct slot_id {
  std::uint32_t value = 0;
  auto operator<=>(const slot_id&) const = default;
};

/// The node that numbers a worker's slots. Numbers hold for the life of this process.
struct node_id {
  std::uint32_t value = 0;
  auto operator<=>(const node_id&) const = default;
};
inline constexpr node_id this_node{0};
/// The gateway of workers that pull their jobs over HTTP (actors/remote_workers).
inline constexpr node_id pull_node{1};

/// A place for workers, one after the other. A slot alone is one of this pod.
struct worker_place {
  constexpr worker_place() = default;
  constexpr worker_place(slot_id s) : slot(s) {}
  constexpr worker_place(node_id n, slot_id s) : node(n), slot(s) {}

  node_id node;
  slot_id slot;
  auto operator<=>(const worker_place&) const = default;
};

/// A worker's identity: one life of one slot. `incarnation` only grows, so what a dead process said
/// late is recognised and dropped. 0 = no worker.
struct worker_ref {
  slot_id slot;
  std::uint64_t incarnation = 0;
  node_id node = this_node;

  constexpr worker_place place() const { return {node, slot}; }
  bool operator==(const worker_ref&) const = default;
  auto operator<=>(const worker_ref& other) const {
    return std::tie(node, slot, incarnation) <=>
           std::tie(other.node, other.slot, other.incarnation);
  }
};

/// Identifies an attempt of a job. `number` is the job's fence: it starts at 1 and only grows; a
/// report with an older number is refused.
struct attempt_ref {
  job_id job;
  std::uint32_t number = 0;
  auto operator<=>(const attempt_ref&) const = default;
};

/// "3#7": the seventh life of slot 3 of this pod; "1/3#7" of node 1.
std::string to_string(const worker_ref&);
/// For people, of a worker that brings no name of its own: "slot-3", "node-2-slot-3".
std::string default_name(worker_place);
std::string to_string(const attempt_ref&);

} // namespace tayfa

template <>
struct std::hash<tayfa::job_id> {
  std::size_t operator()(const tayfa::job_id& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};
