// The files of both ends of the pod link beside the list of pods: a key pair, and a counter that
// grows with every start. Both files are private (0600) and replaced atomically.
//
//     pod   <folder>/pod.key     the pair; the public half is the pod's identity
//           <folder>/pod.starts  the incarnation; raised, durably, before the pod's first hello
//     head  <folder>/head.key, <folder>/head.starts (the boot), and the head's id in the latter
//
// A key without its counter is refused: a counter that began anew would let an older incarnation
// speak for a newer one. Owner: the program, at start; two programs in one folder are excluded by
// the data folder's lock.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/pods/transport.hpp"

#include <cstdint>
#include <string>

namespace tayfa::pods {

struct pod_keys {
  key_pair keys;
  std::uint64_t incarnation = 0; ///< >= 1, greater than at any start before
};

struct head_keys {
  key_pair keys;
  std::string id;         ///< 32 lower-case hexadecimal digits, for ever
  std::uint64_t boot = 0; ///< >= 1, greater than at any start before
};

/// Reads the files, or makes them at the first start. errc::bad_config for a file that is damaged,
/// or that others may read; unfit without CURVE; io_error.
result<pod_keys> start_pod(const std::string& folder, secret_source&);
result<head_keys> start_head(const std::string& folder, secret_source&);

/// The pair of "pod" or "head"; no counter is raised. errc::not_found when there is none,
/// bad_config.
result<key_pair> read_keys(const std::string& folder, const std::string& whose);

/// True when the pod has keys, and so needs no join string.
bool has_pod_keys(const std::string& folder);

/// The pair under another name, for the rotation of a key: `made` beside the one in use, which it
/// replaces with take_new_keys(). errc as above; not_found when none was made.
result<key_pair> make_new_keys(const std::string& folder, const std::string& whose, secret_source&);
result<key_pair> take_new_keys(const std::string& folder, const std::string& whose);

} // namespace tayfa::pods
