// Large texts between a pod and its head: named by their content, sent in chunks as the receiver
// asks for them, checked as a whole before use, and not sent again while the receiver has them.
//
// The receiver drives: a message that refers to a blob arrives, and unless the text is in the cache
// the receiver grants chunks by `blob_need{have, until}`. Grants are absolute, so a repeated or
// lost message cannot make credit, and at most in_flight_max bytes are granted at a time: that
// much, and no more, can stand before any other message of the link. After a new session the
// receiver asks again from the offset that it has. A chunk that was not asked for is dropped.
//
// Owner: one end of a link (blob_sender, blob_receiver); blob_cache and receive_budget are shared
// by all links of a process. Not thread safe, no clock.
#pragma once

#include "messages/pod_protocol.hpp"
#include "runtime/pods/digest.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace tayfa::pods {

using pod_protocol::blob_ref;

/// Granted and not received, of one link.
inline constexpr std::uint64_t in_flight_max = std::uint64_t{1} << 20;
/// Blobs that one link receives at the same time; the others wait for their turn.
inline constexpr std::size_t receiving_max = 4;

blob_ref ref_of(const shared_text&);

/// Texts by content; the least recently used ones go.
class blob_cache {
 public:
  explicit blob_cache(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  /// Empty when it is not here.
  shared_text find(const blob_ref&);
  void put(const blob_ref&, shared_text);
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct entry {
    blob_ref name;
    shared_text text;
  };
  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::list<entry> used_; ///< latest first
  std::unordered_map<std::string, std::list<entry>::iterator> by_sum_;
};

/// Memory for blobs that are being received, of all links.
struct receive_budget {
  std::uint64_t bytes_max = std::uint64_t{512} << 20;
  std::uint64_t bytes = 0;
};

class blob_receiver {
 public:
  explicit blob_receiver(receive_budget& budget) : budget_(budget) {}
  blob_receiver(const blob_receiver&) = delete;
  blob_receiver& operator=(const blob_receiver&) = delete;
  ~blob_receiver();

  /// The blob is wanted; asking twice is asking once.
  void want(const blob_ref&);
  /// Nothing waits for it any more.
  void drop(const blob_ref&);

  struct arrival {
    shared_text text; ///< the whole blob, checked
    bool whole = false;
    bool failed = false; ///< the sender does not have it, or its content is another
  };
  arrival take(const pod_protocol::chunk&);

  /// The requests that are due now.
  std::vector<pod_protocol::blob_need> grants();
  /// Grants of the earlier session are void; what has arrived stays.
  void new_session();
  bool idle() const { return wanted_.empty(); }
  std::uint64_t in_flight() const;

 private:
  struct incoming {
    std::string text;
    sha256 sum;
    std::uint64_t until = 0; ///< granted
    bool receiving = false;  ///< its bytes are in the budget
  };
  using entry = std::map<blob_ref, incoming>::iterator;
  void end(entry);

  receive_budget& budget_;
  std::map<blob_ref, incoming> wanted_;
  std::deque<blob_ref> turns_; ///< in the order in which they were asked for
};

class blob_sender {
 public:
  /// The text can be asked for until drop() has been called as often.
  blob_ref offer(const shared_text&);
  void offer(const blob_ref&, const shared_text&);
  void drop(const blob_ref&);
  /// The receiver has it: nobody asks for it any more.
  void release(const blob_ref& blob) { offered_.erase(blob); }
  bool has(const blob_ref& blob) const { return offered_.contains(blob); }
  /// The chunks that the request allows, beyond those that were sent in this session.
  std::vector<pod_protocol::chunk> serve(const pod_protocol::blob_need&);
  void new_session();
  bool idle() const { return offered_.empty(); }

 private:
  struct outgoing {
    shared_text text;
    std::uint64_t sent = 0; ///< in this session
    std::uint32_t uses = 0;
  };
  std::map<blob_ref, outgoing> offered_;
};

} // namespace tayfa::pods
