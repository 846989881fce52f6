// Listen to a focusloop service, and send it trials. Nothing here needs Unity; FocusLoopBehaviour pumps it.

using System;
using System.Collections.Generic;
using System.Diagnostics;

namespace Focusloop
{
    /// <summary>A focus score: valid, or null with a reason.</summary>
    public sealed class Focus
    {
        public string Stream, Origin, Reason;
        public long Seq;
        public double? Value, Steady, Relative, Confidence, Quality, LslSeconds;
        public bool Valid, Calibrated;
        public double UnixSeconds;

        /// <summary>True where no live headset is behind the score: show SIMULATED in words.</summary>
        public bool Simulated { get { return Origin != "live"; } }
    }

    /// <summary>The next difficulty, 0 easiest to 1 hardest, with its reason.</summary>
    public sealed class Difficulty
    {
        public string Stream, Reason, Policy, State, AfterRun;
        public long Seq;
        public long? AfterTrial;
        public double Level, Previous;
    }

    /// <summary>What is rewarded, moment by moment: nothing where it is not valid, and Reason says why.</summary>
    public sealed class Neurofeedback
    {
        public string Stream, Origin, State, Reason;
        public long Seq, Rewards;
        public bool Valid, Rewarded;
        public double? Brightness;

        /// <summary>True where no live headset is behind it: show SIMULATED in words.</summary>
        public bool Simulated { get { return Origin != "live"; } }
    }

    /// <summary>A connection, native or of the browser. Everything is called on the thread that pumps.</summary>
    public interface ITransport
    {
        void Open(string url, string subprotocol);
        void Send(string text);
        void Close();
        /// <summary>Gives the next event; false where there is none. `Text` is null but for messages.</summary>
        bool TryRead(out TransportEvent happened);
    }

    public enum TransportKind { Opened, Message, Closed }

    public struct TransportEvent
    {
        public TransportKind Kind;
        public string Text;
        public int Code;
    }

    /// <summary>
    /// Connects, connects again, resumes where it stopped, and sends trials until they are acknowledged. Call Pump once a
    /// frame: every event is raised inside it, on the caller's thread.
    /// </summary>
    public sealed class FocusLoopClient
    {
        public const string Version = "0.1.0";
        const string Subprotocol = "focusloop.v1.json";
        const double FirstWaitMs = 100, LongestWaitMs = 5000, PingEveryMs = 10000, FirstPingEveryMs = 50, ResendEveryMs = 5000, StaleMs = 2000;
        const double PongPatienceMs = 500, ClockPatienceMs = 2000;
        const int ClockPongs = 5; // trials wait on each connection for so many pongs, or ClockPatienceMs
        const string NoSuchStream = "no_such_stream"; // it may come back: one added over HTTP is gone after a restart
        const int FirstPings = 6, AtOnce = 100, MaxUnacknowledged = 100000;

        public event Action<Focus> OnFocus;
        public event Action<Difficulty> OnDifficulty;
        public event Action<Neurofeedback> OnNeurofeedback;
        public event Action<Dictionary<string, object>> OnMessage;
        public event Action<bool> OnConnected;
        public event Action<string> OnDenied;

        /// <summary>Names this run: made at random, so that no two programs ever send the same trial.</summary>
        public readonly string Run = Guid.NewGuid().ToString();
        public bool Connected { get; private set; }
        /// <summary>Why the service does not let this client in; null while it does.</summary>
        public string Denied { get; private set; }
        public int Connections { get; private set; }
        public long Missed { get; private set; }
        public int Unacknowledged { get { return _unacknowledged.Count; } }

        readonly ITransport _transport;
        readonly string _url, _token, _stream, _client;
        readonly List<Dictionary<string, object>> _wishes = new List<Dictionary<string, object>>();
        readonly HashSet<string> _thinned = new HashSet<string>();
        readonly List<KeyValuePair<long, Dictionary<string, object>>> _unacknowledged = new List<KeyValuePair<long, Dictionary<string, object>>>();
        readonly Dictionary<string, Dictionary<string, long>> _seen = new Dictionary<string, Dictionary<string, long>>();
        readonly Dictionary<string, KeyValuePair<double, Focus>> _focus = new Dictionary<string, KeyValuePair<double, Focus>>();
        readonly Dictionary<string, Difficulty> _difficulty = new Dictionary<string, Difficulty>();
        readonly List<string> _streams = new List<string>();
        readonly HashSet<string> _missing = new HashSet<string>();
        readonly Dictionary<int, List<object>> _unheard = new Dictionary<int, List<object>>();
        readonly Func<double> _nowMs;
        readonly Random _random = new Random();
        string _epoch;
        bool _open, _closed, _clocked;
        double _clockDueMs, _waitMs = FirstWaitMs, _retryAtMs, _pingDueMs, _resendDueMs, _roundTripMs = double.PositiveInfinity;
        double? _heardT0, _heardT3;
        long _trials;
        int _pings, _pongs;

        /// <param name="stream">Participant that trials are for and that is listened to; null where the service has only one.</param>
        /// <param name="nowMs">A monotonic clock in milliseconds; one of its own by default.</param>
        public FocusLoopClient(ITransport transport, string url, string token, string stream = null, string client = null, Func<double> nowMs = null)
        {
            var clock = Stopwatch.StartNew();
            _nowMs = nowMs ?? (() => clock.Elapsed.TotalMilliseconds);
            _transport = transport;
            _token = token;
            _stream = stream;
            _client = client ?? "focusloop-client-unity/" + Version;
            string at = url.StartsWith("http") ? "ws" + url.Substring(4) : url;
            at = at.TrimEnd('/');
            _url = at.EndsWith("/v1/ws") ? at : at + "/v1/ws";
        }

        double NowMs { get { return _nowMs(); } }

        /// <summary>
        /// Listen to topics of a stream, the client's own by default ("*", and the default where it has none, is everyone), on this
        /// connection and each later one. Those of a stream that is not there yet are asked for again until it is.
        /// </summary>
        public void Subscribe(string[] topics, double? rateHz = null, string stream = null)
        {
            string from = stream ?? _stream ?? "*";
            var wish = new Dictionary<string, object> { { "type", "subscribe" }, { "id", _wishes.Count + 1 }, { "stream", from }, { "topics", topics } };
            if (rateHz.HasValue)
            {
                wish["rate_hz"] = rateHz.Value;
                foreach (string topic in topics) _thinned.Add(topic);
            }
            _wishes.Add(wish);
            if (Connected) Ask(wish);
        }

        /// <summary>
        /// Send an answered trial, again and again until the service has acknowledged it; gives its number. One for a stream that the
        /// service does not have is kept, too: OnMessage hears one "error", and the stream is asked for every 5 s. Throws
        /// InvalidOperationException where the service does not let this client in.
        /// </summary>
        public long Trial(bool correct, double? rtMs = null, string task = null, double? level = null, string stream = null)
        {
            Check();
            Finite("rtMs", rtMs);
            Finite("level", level);
            string name = Of(stream);
            if (name == null) throw new InvalidOperationException("which participant? Give a stream");
            if (_unacknowledged.Count >= MaxUnacknowledged) throw new InvalidOperationException("too many trials wait for the service: is it gone?");
            long number = ++_trials;
            var sent = new Dictionary<string, object> { { "type", "trial" }, { "stream", name }, { "run", Run }, { "trial", number }, { "correct", correct }, { "t_client_ms", NowMs } };
            if (rtMs.HasValue) sent["rt_ms"] = rtMs.Value;
            if (task != null) sent["task"] = task;
            Difficulty heard;
            if (level.HasValue) sent["level"] = level.Value;
            else if (_difficulty.TryGetValue(name, out heard)) sent["level"] = heard.Level;
            if (!double.IsInfinity(_roundTripMs)) sent["uncertainty_ms"] = _roundTripMs / 2;
            _unacknowledged.Add(new KeyValuePair<long, Dictionary<string, object>>(number, sent));
            if (_clocked && !_missing.Contains(name)) Say(sent);
            return number;
        }

        /// <summary>Let go of a trial that is not acknowledged: it is not sent again.</summary>
        public void Drop(long trial) { _unacknowledged.RemoveAll(pair => pair.Key == trial); }

        /// <summary>Say that something happened, now; everyone who listens to "marker" hears it. Not sent again if it is lost.</summary>
        public void Marker(string label, string stream = null)
        {
            Check();
            string name = Of(stream);
            if (name == null) throw new InvalidOperationException("which participant? Give a stream");
            if (Connected) Say(new Dictionary<string, object> { { "type", "marker" }, { "stream", name }, { "label", label }, { "t_client_ms", NowMs } });
        }

        /// <summary>The newest focus score; null where there is none, or it is older than 2 s.</summary>
        public Focus NewestFocus(string stream = null)
        {
            KeyValuePair<double, Focus> found;
            string name = Of(stream);
            return name != null && _focus.TryGetValue(name, out found) && NowMs - found.Key <= StaleMs ? found.Value : null;
        }

        /// <summary>The newest difficulty; null before there was one.</summary>
        public Difficulty NewestDifficulty(string stream = null)
        {
            Difficulty found;
            string name = Of(stream);
            return name != null && _difficulty.TryGetValue(name, out found) ? found : null;
        }

        /// <summary>Connect, take in what came, raise the events. Once a frame.</summary>
        public void Pump()
        {
            if (_closed || Denied != null) return;
            if (!_open && NowMs >= _retryAtMs)
            {
                _open = true;
                _transport.Open(_url, Subprotocol);
            }
            TransportEvent happened;
            while (!_closed && Denied == null && _transport.TryRead(out happened))
            {
                if (happened.Kind == TransportKind.Opened) Hello();
                else if (happened.Kind == TransportKind.Message) Take(happened.Text);
                else Ended(happened.Code, happened.Text);
            }
            if (Connected) Tick();
        }

        public void Close()
        {
            _closed = true;
            Connected = _clocked = false;
            _transport.Close();
        }

        string Of(string stream) { return stream ?? _stream ?? (_streams.Count == 1 ? _streams[0] : null); }

        void Check()
        {
            if (Denied != null) throw new InvalidOperationException("the service refuses this client: " + Denied);
        }

        static void Finite(string name, double? value)
        {
            if (value.HasValue && (double.IsNaN(value.Value) || double.IsInfinity(value.Value)))
                throw new ArgumentOutOfRangeException(name, "expected a finite number");
        }

        void Say(Dictionary<string, object> fields) { _transport.Send(Json.Write(fields)); }

        void Hello()
        {
            _heardT0 = _heardT3 = null;
            _pings = _pongs = 0;
            _pingDueMs = 0;
            var hello = new Dictionary<string, object> { { "type", "hello" }, { "client", _client } };
            if (_token != null) hello["token"] = _token;
            Say(hello);
        }

        void Ended(int code, string reason)
        {
            bool was = Connected;
            Connected = _open = _clocked = false;
            if (code == 4400 || code == 4401 || code == 4403)
            {
                Denied = string.IsNullOrEmpty(reason) ? "close code " + code : reason;
                if (OnDenied != null) OnDenied(Denied);
                return;
            }
            _retryAtMs = NowMs + _waitMs * (0.75 + 0.5 * _random.NextDouble());
            _waitMs = Math.Min(LongestWaitMs, _waitMs * 2);
            if (was && OnConnected != null) OnConnected(false);
        }

        void Take(string text)
        {
            Dictionary<string, object> message = Json.ParseObject(text);
            string type = Text(message, "type");
            if (type == "pong")
            {
                _heardT0 = Number(message, "t0");
                _heardT3 = NowMs;
                if (_heardT0.HasValue) _roundTripMs = Math.Min(_roundTripMs, _heardT3.Value - _heardT0.Value);
                if (++_pongs >= ClockPongs && !_clocked) SendTrials();
                return;
            }
            if (message.ContainsKey("seq") && !Count(message, type)) return;
            if (type == "welcome") Welcome(message);
            else if (type == "ack") Acknowledged(message);
            else if (type == "error" && message.ContainsKey("trial") && !Refused(message)) return;
            else if (type == "subscribed" && !Subscribed(message)) return;
            else if (type == "focus")
            {
                Focus focus = ReadFocus(message);
                _focus[focus.Stream] = new KeyValuePair<double, Focus>(NowMs, focus);
                if (OnFocus != null) OnFocus(focus);
            }
            else if (type == "difficulty")
            {
                Difficulty difficulty = ReadDifficulty(message);
                _difficulty[difficulty.Stream] = difficulty;
                if (OnDifficulty != null) OnDifficulty(difficulty);
            }
            else if (type == "neurofeedback" && OnNeurofeedback != null) OnNeurofeedback(ReadNeurofeedback(message));
            if (OnMessage != null) OnMessage(message);
        }

        string StreamOf(Dictionary<string, object> message)
        {
            long number = (long)(Number(message, "trial") ?? -1);
            int at = Text(message, "run") == Run ? _unacknowledged.FindIndex(pair => pair.Key == number) : -1;
            return at < 0 ? null : (string)_unacknowledged[at].Value["stream"];
        }

        void Acknowledged(Dictionary<string, object> message)
        {
            string stream = StreamOf(message);
            if (stream == null) return;
            Drop((long)Number(message, "trial").Value);
            if (_missing.Remove(stream)) Resend();
        }

        /// Takes in an error that names a trial; false where the program was told the same before.
        bool Refused(Dictionary<string, object> message)
        {
            string code = Text(message, "code"), stream = StreamOf(message);
            if (code == "rate_limited" || code == "too_many" || stream == null) return true; // too fast, or the disk takes nothing
            if (code == NoSuchStream) return _missing.Add(stream);
            Drop((long)Number(message, "trial").Value);
            return true;
        }

        /// Notes which topics wait for their stream; false where the program was told the same before.
        bool Subscribed(Dictionary<string, object> message)
        {
            int id = (int)(Number(message, "id") ?? 0);
            bool waited = _unheard.Remove(id);
            var missing = new List<object>();
            foreach (object one in (List<object>)message["refused"])
            {
                var refused = (Dictionary<string, object>)one;
                if (Text(refused, "code") == NoSuchStream) missing.Add(Text(refused, "topic"));
            }
            if (missing.Count > 0) _unheard[id] = missing;
            return !waited || ((List<object>)message["accepted"]).Count > 0;
        }

        void Welcome(Dictionary<string, object> message)
        {
            Connections++;
            _waitMs = FirstWaitMs;
            _streams.Clear();
            foreach (object view in (List<object>)message["streams"]) _streams.Add(Text((Dictionary<string, object>)view, "id"));
            string epoch = Text(message, "epoch");
            if (epoch != _epoch) _seen.Clear();
            _epoch = epoch;
            Connected = true;
            _resendDueMs = NowMs + ResendEveryMs;
            _clockDueMs = NowMs + ClockPatienceMs;
            foreach (string stream in _streams) _missing.Remove(stream);
            _unheard.Clear();
            foreach (Dictionary<string, object> wish in _wishes) Ask(wish);
            if (OnConnected != null) OnConnected(true);
        }

        void Ask(Dictionary<string, object> wish, List<object> only = null)
        {
            var asked = new Dictionary<string, object>(wish);
            if (only != null) asked["topics"] = only;
            if (_seen.Count > 0)
            {
                var since = new Dictionary<string, object> { { "epoch", _epoch } };
                foreach (var stream in _seen)
                {
                    var topics = new Dictionary<string, object>();
                    foreach (var topic in stream.Value) topics[topic.Key] = topic.Value;
                    since[stream.Key] = topics;
                }
                asked["since"] = since;
            }
            Say(asked);
        }

        void SendTrials()
        {
            _clocked = true;
            Resend();
        }

        /// Sends what is owed, the oldest first; of a missing stream one trial, which asks whether it is there again.
        void Resend()
        {
            if (!_clocked) return;
            var asked = new HashSet<string>();
            int left = AtOnce;
            foreach (var owed in _unacknowledged)
            {
                var stream = (string)owed.Value["stream"];
                if (asked.Contains(stream)) continue;
                if (_missing.Contains(stream)) asked.Add(stream);
                Say(owed.Value);
                if (--left == 0) return;
            }
        }

        void Tick()
        {
            double now = NowMs;
            if (now >= _pingDueMs && (_pongs >= _pings || now >= _pingDueMs + PongPatienceMs))
            {
                _pingDueMs = now + (++_pings < FirstPings ? FirstPingEveryMs : PingEveryMs);
                var ping = new Dictionary<string, object> { { "type", "ping" }, { "t0", now } };
                if (_heardT0.HasValue) ping["previous"] = new Dictionary<string, object> { { "t0", _heardT0.Value }, { "t3", _heardT3.Value } };
                Say(ping);
            }
            if (!_clocked && now >= _clockDueMs) SendTrials();
            if (now < _resendDueMs) return;
            _resendDueMs = now + ResendEveryMs;
            Resend();
            foreach (var waits in _unheard) Ask(_wishes[waits.Key - 1], waits.Value);
        }

        bool Count(Dictionary<string, object> message, string type)
        {
            string stream = Text(message, "stream");
            long seq = (long)(Number(message, "seq") ?? 0), last;
            Dictionary<string, long> seen;
            if (!_seen.TryGetValue(stream, out seen)) _seen[stream] = seen = new Dictionary<string, long>();
            bool known = seen.TryGetValue(type, out last);
            if (known && seq <= last) return false;
            if (known && !_thinned.Contains(type)) Missed += seq - last - 1;
            seen[type] = seq;
            return true;
        }

        static Focus ReadFocus(Dictionary<string, object> m)
        {
            return new Focus
            {
                Stream = Text(m, "stream"), Seq = (long)(Number(m, "seq") ?? 0), Origin = Text(m, "origin"), Reason = Text(m, "reason"),
                Value = Number(m, "value"), Steady = Number(m, "steady"), Relative = Number(m, "relative"),
                Confidence = Number(m, "confidence"), Quality = Number(m, "quality"), LslSeconds = Number(m, "t_lsl_s"),
                Valid = Flag(m, "valid"), Calibrated = Flag(m, "calibrated"), UnixSeconds = Number(m, "t_unix_s") ?? 0,
            };
        }

        static Difficulty ReadDifficulty(Dictionary<string, object> m)
        {
            object found;
            m.TryGetValue("after", out found);
            var after = found as Dictionary<string, object>;
            return new Difficulty
            {
                Stream = Text(m, "stream"), Seq = (long)(Number(m, "seq") ?? 0), Reason = Text(m, "reason"), Policy = Text(m, "policy"),
                State = Text(m, "state"), Level = Number(m, "level") ?? 0, Previous = Number(m, "previous") ?? 0,
                AfterRun = after == null ? null : Text(after, "run"), AfterTrial = after == null ? null : (long?)Number(after, "trial"),
            };
        }

        static Neurofeedback ReadNeurofeedback(Dictionary<string, object> m)
        {
            return new Neurofeedback
            {
                Stream = Text(m, "stream"), Seq = (long)(Number(m, "seq") ?? 0), Origin = Text(m, "origin"), State = Text(m, "state"),
                Reason = Text(m, "reason"), Valid = Flag(m, "valid"), Rewarded = Flag(m, "rewarded"),
                Brightness = Number(m, "brightness"), Rewards = (long)(Number(m, "rewards") ?? 0),
            };
        }

        static string Text(Dictionary<string, object> from, string key)
        {
            object found;
            return from.TryGetValue(key, out found) ? found as string : null;
        }

        static double? Number(Dictionary<string, object> from, string key)
        {
            object found;
            return from.TryGetValue(key, out found) && found is double ? (double?)found : null;
        }

        static bool Flag(Dictionary<string, object> from, string key)
        {
            object found;
            return from.TryGetValue(key, out found) && found is bool && (bool)found;
        }
    }
}
