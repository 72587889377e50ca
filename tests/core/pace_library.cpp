// What tests/threads/test_pace.py calls: pace and standby by a clock that it turns.
#include <chrono>

#include "turned_clock.hpp"

extern "C" {
void turn(double seconds) { Turned::turn(seconds); }
Pace* pace() { return new Pace; }
void drop_pace(Pace* pace) { delete pace; }
// How many threads take the next steps of batches of so many rows, and until how many seconds from
// now.
int next(Pace* pace, int rows, int threads, bool by_columns, bool long_steps, double* until,
         bool* columns) {
  const Pace::Block block = pace->next(rows, {threads, by_columns}, long_steps);
  *until = std::chrono::duration<double>(block.end - Turned::now()).count();
  *columns = block.way.by_columns;
  return block.way.threads;
}
void took(Pace* pace, long steps, double waited) { pace->took(steps, waited); }
Standby* standby() { return new Standby; }
void drop_standby(Standby* standby) { delete standby; }
bool worth_calling(Standby* standby, double seconds) { return standby->worth_calling(seconds); }
bool asleep(Standby* standby) { return standby->asleep(); }
void done(Standby* standby, int threads, double waited) { standby->done(threads, waited); }
}
