// The C# client without a network, its clock in our hands: mono probe.exe scenarios
using System;
using System.Collections.Generic;
using System.Linq;
using Focusloop;

sealed class ScriptedTransport : ITransport
{
    public readonly List<Dictionary<string, object>> Said = new List<Dictionary<string, object>>();
    readonly Queue<TransportEvent> _happened = new Queue<TransportEvent>();

    public void Open(string url, string subprotocol) { Happen(TransportKind.Opened); }
    public void Send(string text) { Said.Add(Json.ParseObject(text)); }
    public void Close() { }
    public bool TryRead(out TransportEvent happened)
    {
        happened = _happened.Count > 0 ? _happened.Dequeue() : new TransportEvent();
        return happened.Kind != TransportKind.Opened || happened.Text != null;
    }
    public void Happen(TransportKind kind, string text = "", int code = 0)
    {
        _happened.Enqueue(new TransportEvent { Kind = kind, Text = text, Code = code });
    }
}

sealed class Scenarios
{
    readonly ScriptedTransport _line = new ScriptedTransport();
    readonly FocusLoopClient _loop;
    double _nowMs;
    int _errors, _subscribed;

    Scenarios(string stream)
    {
        _loop = new FocusLoopClient(_line, "ws://x", null, stream, null, () => _nowMs);
        _loop.OnMessage += message =>
        {
            if ((string)message["type"] == "error") _errors++;
            if ((string)message["type"] == "subscribed") _subscribed++;
        };
    }

    static void Same(object expected, object found)
    {
        if (!Equals(expected, found)) throw new Exception("expected " + expected + ", found " + found);
    }

    static void Throws<T>(Action act, string says) where T : Exception
    {
        try { act(); }
        catch (T error)
        {
            if (!error.Message.Contains(says)) throw new Exception("says " + error.Message);
            return;
        }
        throw new Exception("did not throw " + typeof(T).Name);
    }

    string Said(string type, string field)
    {
        var found = _line.Said.Where(one => (string)one["type"] == type).Select(one =>
            one[field] is List<object> ? string.Join("+", (List<object>)one[field]) : Convert.ToString(one[field])).ToList();
        _line.Said.Clear();
        return string.Join(" ", found);
    }

    string Trials() { return Said("trial", "trial"); }

    void Hear(string message)
    {
        _line.Happen(TransportKind.Message, message.Replace('\'', '"'));
        _loop.Pump();
    }

    void Welcome(string streams = "")
    {
        _loop.Pump();
        Hear("{'type':'welcome','epoch':'e1','server':'focusloop/0','streams':[" + streams + "]}");
    }

    void Pass(double ms)
    {
        _nowMs += ms;
        _loop.Pump();
    }

    void SetTheClock()
    {
        for (int n = 0; n < 5; n++)
        {
            Same("", Trials());
            Pass(50);
            double t0 = _nowMs;
            Hear("{'type':'pong','t0':" + t0 + ",'t1':1,'t2':1}");
        }
    }

    void Lose(int code, string reason = "")
    {
        _line.Happen(TransportKind.Closed, reason, code);
        _loop.Pump();
        Pass(10000);
    }

    void Refuse(int trial, string code = "no_such_stream")
    {
        Hear("{'type':'error','code':'" + code + "','message':'','run':'" + _loop.Run + "','trial':" + trial + "}");
    }

    void Answer(int trials) { for (int n = 0; n < trials; n++) _loop.Trial(true); }

    static void WhoPlaysWithOnePersonListensToNoOther()
    {
        var own = new Scenarios("p01");
        own._loop.Subscribe(new[] { "difficulty" });
        own._loop.Subscribe(new[] { "difficulty" }, null, "*");
        own.Welcome();
        Same("p01 *", own.Said("subscribe", "stream"));
        var everyone = new Scenarios(null);
        everyone._loop.Subscribe(new[] { "difficulty" });
        everyone.Welcome();
        Same("*", everyone.Said("subscribe", "stream"));
    }

    static void TrialsWaitForFivePongsOnEachConnection()
    {
        var one = new Scenarios("p01");
        one.Answer(1);
        one.Welcome();
        one.Answer(1);
        one.SetTheClock();
        Same("1 2", one.Trials());
        one.Answer(1);
        Same("3", one.Trials());
        one.Lose(1006);
        one.Welcome();
        one.SetTheClock();
        Same("1 2 3", one.Trials());
    }

    static void TrialsDoNotWaitForPongsForEver()
    {
        var one = new Scenarios("p01");
        one.Welcome();
        one.Answer(1);
        one.Pass(1999);
        Same("", one.Trials());
        one.Pass(1);
        Same("1", one.Trials());
    }

    static void ATrialWaitsForAStreamThatIsGone()
    {
        var one = new Scenarios("added");
        one.Answer(3);
        one.Welcome();
        one.SetTheClock();
        Same("1 2 3", one.Trials());
        for (int trial = 1; trial <= 3; trial++) one.Refuse(trial);
        one.Answer(1);
        Same("", one.Trials());
        one.Pass(5000);
        Same("1", one.Trials());
        one.Refuse(1);
        Same(1, one._errors);
        Same(4, one._loop.Unacknowledged);
        one.Pass(5000);
        one.Trials();
        one.Hear("{'type':'ack','run':'" + one._loop.Run + "','trial':1,'duplicate':false}");
        Same("2 3 4", one.Trials());
        one._loop.Drop(2);
        one.Refuse(3, "bad_message");
        Same(2, one._errors);
        Same(1, one._loop.Unacknowledged);
    }

    static void AStreamThatAWelcomeNamesIsThereAgain()
    {
        var one = new Scenarios("added");
        one.Answer(2);
        one.Welcome();
        one.SetTheClock();
        one.Trials();
        one.Refuse(1);
        one.Lose(1006);
        one.Welcome("{'id':'added'}");
        one.SetTheClock();
        Same("1 2", one.Trials());
    }

    static void TopicsOfAStreamThatIsNotThereYetAreAskedForAgain()
    {
        var one = new Scenarios("added");
        one._loop.Subscribe(new[] { "focus", "difficulty" });
        one.Welcome();
        Same("focus+difficulty", one.Said("subscribe", "topics"));
        const string refused = "{'type':'subscribed','id':1,'accepted':[],'refused':[{'topic':'focus','code':'no_such_stream','message':''}]}";
        one.Hear(refused);
        one.Pass(5000);
        Same("focus", one.Said("subscribe", "topics"));
        one.Hear(refused);
        Same(1, one._subscribed);
        one.Hear("{'type':'subscribed','id':1,'accepted':['focus'],'refused':[]}");
        one.Pass(5000);
        Same("", one.Said("subscribe", "topics"));
    }

    static void ADeniedProgramIsToldWhereverItAsks()
    {
        var one = new Scenarios("p01");
        one.Answer(1);
        one._loop.Pump();
        one.Lose(4401, "wrong token");
        Same("wrong token", one._loop.Denied);
        Throws<InvalidOperationException>(() => one._loop.Trial(true), "wrong token");
        Throws<InvalidOperationException>(() => one._loop.Marker("begun"), "wrong token");
        Same(1, one._loop.Unacknowledged);
    }

    static void WhoIsTurnedAwayForAWhileComesAgainAndKeepsWhatItOwes()
    {
        var one = new Scenarios("p01");
        one.Answer(1);
        one._loop.Pump();
        one.Lose(4429, "too many wrong tokens from 10.0.0.5; try again in 5 s");
        Same(null, one._loop.Denied);
        one.Welcome();
        one.SetTheClock();
        Same("1", one.Trials());
    }

    static void WhatIsNoNumberIsNotKept()
    {
        var one = new Scenarios("p01");
        Throws<ArgumentOutOfRangeException>(() => one._loop.Trial(true, double.NaN), "finite");
        Same(0, one._loop.Unacknowledged);
    }

    public static int Run()
    {
        var all = new Action[]
        {
            WhoPlaysWithOnePersonListensToNoOther, TrialsWaitForFivePongsOnEachConnection, TrialsDoNotWaitForPongsForEver,
            ATrialWaitsForAStreamThatIsGone, AStreamThatAWelcomeNamesIsThereAgain, TopicsOfAStreamThatIsNotThereYetAreAskedForAgain,
            ADeniedProgramIsToldWhereverItAsks, WhoIsTurnedAwayForAWhileComesAgainAndKeepsWhatItOwes, WhatIsNoNumberIsNotKept,
        };
        foreach (Action scenario in all)
        {
            scenario();
            Console.WriteLine("held: " + scenario.Method.Name);
        }
        return 0;
    }
}
