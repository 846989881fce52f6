// Put this on a game object: every callback comes on Unity's main thread.

using UnityEngine;

namespace Focusloop
{
    public sealed class FocusLoopBehaviour : MonoBehaviour
    {
        public string Url = "ws://127.0.0.1:8765";
        public string Token = "";
        [Tooltip("Participant that this game listens to and sends trials for; empty where the service has only one.")]
        public string Stream = "";
        public string[] Topics = { "focus", "difficulty" };
        public float RateHz = 10f;

        /// <summary>Subscribe to its events in Start of other objects.</summary>
        public FocusLoopClient Loop { get; private set; }

        void Awake()
        {
#if UNITY_WEBGL && !UNITY_EDITOR
            ITransport transport = new WebGLTransport();
#else
            ITransport transport = new NativeTransport();
#endif
            Loop = new FocusLoopClient(transport, Url, Token == "" ? null : Token, Stream == "" ? null : Stream);
            Loop.OnDenied += reason => Debug.LogError("focusloop refuses this game, nothing is sent or heard: " + reason);
            Loop.Subscribe(Topics, RateHz > 0 ? (double?)RateHz : null);
        }

        void Update() { Loop.Pump(); }

        void OnDestroy() { Loop.Close(); }

        /// <summary>Words to show while nobody may play, or no live headset is behind the score; empty once it is live.</summary>
        public string Banner
        {
            get
            {
                if (Loop.Denied != null) return "NOT CONNECTED: " + Loop.Denied;
                Focus focus = Loop.NewestFocus();
                return focus != null && focus.Simulated ? "SIMULATED" : "";
            }
        }
    }
}
