import sys; sys.path.insert(0, "/work/main/tests")
from test_run_maps import *
def test_empty2(tiny, tmp_path):
    def dated(told):
        small(told)
        told["model"]["target"] = "log_soc"
        told["maps"] |= {"bedrock": {"path": "rock.tif", "unit": "cm"}, "thresholds": [5], "encoding": "int16"}
    path = tiny.copy(tmp_path / "input", dated)
    by_period(path.parent)
    raster(path.parent, "rock.tif", np.full((40, 50), 25.0))
    worked, said = followed(path, tmp_path / "run")
    for s in dict.fromkeys(said):
        if s.startswith("note"): print(s)
    import re
    t=(tmp_path/"run/report.html").read_text(); t=re.sub(r"data:[^\"']*","",t); t=re.sub("<style.*?</style>","",t,flags=re.S)
    t=re.sub("<[^>]*>"," ",t); t=re.sub(r"\s+"," ",t)
    open("/tmp/rep2.txt","w").write(t)
    for l in LAYERS:
        for s in ("mean","q05","q95"):
            with rasterio.open(tmp_path/"run"/"maps"/f"soc_{s}_{l}cm.tif") as f: print(l, s, f.scales, f.read(1,masked=True).mean(), f.tags()["EDAPHIC_ROUNDING_ERROR"])
