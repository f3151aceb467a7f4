#include "runtime/host/temporary_folder.hpp"

#include "runtime/base/unique_fd.hpp"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace tayfa {

namespace fs = std::filesystem;

namespace {

/// Deeper folders are moved up first, so that neither descriptors nor the stack run out.
constexpr int depth_most = 32;

tl::unexpected<error> failed(const std::string& path, int number) {
  const bool full = number == ENOSPC || number == EDQUOT;
  const bool passing = number == EMFILE || number == ENFILE || number == ENOMEM;
  return fail(full      ? errc::storage_full
              : passing ? errc::unavailable
                        : errc::io_error,
              "the folder " + path + " cannot be made: " + std::strerror(number));
}

/// Opens the folder of this name in `parent`, never through a link; our own folder without
/// permissions gets them.
unique_fd open_folder(int parent, const char* name) {
  constexpr int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  unique_fd out{::openat(parent, name, how)};
  if (out || errno != EACCES) {
    return out;
  }
  const unique_fd closed{::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (closed) {
    ::chmod(("/proc/self/fd/" + std::to_string(closed.get())).c_str(), S_IRWXU);
  }
  return unique_fd{::openat(parent, name, how)};
}

std::vector<std::string> names_in(int folder) {
  struct close_folder {
    void operator()(DIR* d) const { ::closedir(d); }
  };
  std::vector<std::string> out;
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, close_folder> listed{copy < 0 ? nullptr : ::fdopendir(copy)};
  if (!listed) {
    if (copy >= 0) {
      ::close(copy);
    }
    return out;
  }
  while (const dirent* const entry = ::readdir(listed.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      out.emplace_back(name);
    }
  }
  return out;
}

class remover {
 public:
  explicit remover(int top) : top_(top) {
    struct stat about {};
    if (::fstat(top, &about) == 0) {
      device_ = about.st_dev;
    }
  }

  /// Repeats until a round moves nothing up.
  void empty_top() {
    do {
      moved_ = false;
      empty(top_, 0);
    } while (moved_);
  }

 private:
  void empty(int folder, int depth) {
    ::fchmod(folder, S_IRWXU);
    for (const auto& name : names_in(folder)) {
      if (::unlinkat(folder, name.c_str(), 0) == 0 || (errno != EISDIR && errno != EPERM)) {
        continue;
      }
      if (depth == depth_most) {
        move_up(folder, name);
        continue;
      }
      const auto inner = open_folder(folder, name.c_str());
      struct stat about {};
      if (inner && ::fstat(inner.get(), &about) == 0 && about.st_dev == device_) {
        empty(inner.get(), depth + 1);
        ::unlinkat(folder, name.c_str(), AT_REMOVEDIR);
      }
    }
  }

  /// Tries the next name when one is taken.
  void move_up(int folder, const std::string& name) {
    for (int tries = 0; tries < 1'000; ++tries) {
      const auto up = "moved-" + std::to_string(++number_);
      if (::renameat(folder, name.c_str(), top_, up.c_str()) == 0) {
        moved_ = true;
        return;
      }
    }
  }

  int top_;
  dev_t device_ = 0;
  bool moved_ = false;
  unsigned number_ = 0;
};

} // namespace

result<void> make_private_folder(const std::string& path) {
  std::error_code ignored; // the call below reports the fault
  fs::create_directories(fs::path{path}.parent_path(), ignored);
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return failed(path, errno);
  }
  const unique_fd made{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  struct stat about {};
  if (!made || ::fstat(made.get(), &about) != 0) {
    return failed(path, errno);
  }
  if (about.st_uid != ::geteuid() || ::fchmod(made.get(), S_IRWXU) != 0) {
    return failed(path, EPERM);
  }
  return {};
}

bool remove_tree(const std::string& path) {
  if (const auto top = open_folder(AT_FDCWD, path.c_str())) {
    remover{top.get()}.empty_top();
  }
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
}

} // namespace tayfa
