// How the process ends when nothing else helps: an exception that no thread caught (no memory,
// most likely) or an abort() of a library that could not go on. Exit code 70 with a sentence, in
// place of SIGABRT: the store recovers as after kill -9, engines die with this process, and whoever
// supervises it starts it again.
#pragma once

namespace tayfa {

/// For the whole process; to be called first in main().
void end_with_last_words();
} // namespace tayfa
