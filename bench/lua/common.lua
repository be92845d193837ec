-- Counts answers by thread (two of them, always), gives each its own residents, and prints one line of JSON.
-- Whatever runs for every request takes from the processors of the service: what can be made beforehand is, and answers
-- are looked at one by one only where a 503 may be among them (`look_at_answers`); else any status of 400 or more is wrong.
local threads = {}
function setup(thread)
  thread:set("id", #threads)
  thread:set("ok", 0); thread:set("busy", 0); thread:set("wrong", 0); thread:set("odd", 0)
  table.insert(threads, thread)
end
function read_people(path, first)
  people, at = {}, 0
  local n = 0
  for line in io.lines(path) do
    n = n + 1
    if n > first and n % 2 == id then people[#people + 1] = line end
  end
end
function look_at_answers()
  response = function(status)
    if status == 503 then busy = busy + 1
    elseif status < 400 then ok = ok + 1
    else wrong = wrong + 1; odd = status end
  end
  looked = 1
end
function done(summary, latency)
  local ok, busy, wrong, odd = 0, 0, 0, 0
  for _, thread in ipairs(threads) do
    ok = ok + thread:get("ok"); busy = busy + thread:get("busy"); wrong = wrong + thread:get("wrong")
    odd = math.max(odd, thread:get("odd"))
  end
  local e = summary.errors
  if threads[1]:get("looked") == nil then
    ok, wrong, odd = summary.requests - e.status, e.status, e.status > 0 and 400 or 0
  end
  io.write(string.format('RESULT {"ok":%d,"busy":%d,"wrong":%d,"odd":%d,"broken":%d,"requests":%d,"seconds":%f,"p50":%f,"p95":%f,"p99":%f}\n',
    ok, busy, wrong, odd, e.connect + e.read + e.write + e.timeout, summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
